"""Real projects' CRDs, fetched by the real Go."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest

from capscan.localplane.console import Console
from capscan.localplane.crd_modules import crd_files, crd_modules
from capscan.localplane.errors import BadModule
from tests.kubectl import Kubectl
from tests.localplane.conftest import Script

SMALL = crd_modules()["external-snapshotter"]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPSCAN_CACHE", str(tmp_path / "the cache"))


def test_nine_projects_are_pinned() -> None:
    """Each has a sum, without which a version says nothing."""
    modules = crd_modules().values()

    assert len(modules) == 9
    assert all(module.sum.startswith("h1:") for module in modules)


@pytest.mark.usefixtures("own_cache")
def test_a_second_time_needs_neither_go_nor_network(
    tmp_path: Path, said: io.StringIO, console: Console, environ: dict[str, str]
) -> None:
    """The CRDs are kept, and only they: the kustomization beside them is not one."""
    files = crd_files([SMALL], console)
    again = crd_files([SMALL], console, {"PATH": "", "CAPSCAN_CACHE": environ["CAPSCAN_CACHE"]})

    assert len(files) == 6
    assert files == again
    assert all(file.is_relative_to(tmp_path / "the cache") for file in files)
    assert said.getvalue().count("fetching external-snapshotter v8.7.0") == 1


@pytest.mark.usefixtures("own_cache")
def test_another_sum_is_refused(tmp_path: Path, console: Console) -> None:
    """Nothing of a module that is not the pinned one reaches the cache."""
    wrong = dataclasses.replace(SMALL, sum="h1:AAAA")

    with pytest.raises(BadModule, match=f"(?s)its sum is {SMALL.sum}.*h1:AAAA".replace("+", r"\+")):
        crd_files([wrong], console)
    assert not list((tmp_path / "the cache").rglob("*.yaml"))


@pytest.mark.usefixtures("own_cache")
def test_a_module_without_crds_is_an_error(tmp_path: Path, console: Console) -> None:
    """A folder that moved with a new version must not become an empty demo."""
    moved = dataclasses.replace(SMALL, folders=("config/nowhere",))

    with pytest.raises(BadModule, match="holds no CRDs"):
        crd_files([moved], console)
    assert not [path for path in (tmp_path / "the cache" / "crds").iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("""echo '{"Error": "no such host"}'; exit 1""", "no such host"),
        ("echo GOPROXY list is empty >&2; exit 1", "GOPROXY list is empty"),
        ("exit 4", "exit code 4"),
        ("echo '[]'", "exit code 0"),
    ],
)
def test_a_failed_download_says_why(
    answer: str, reason: str, tmp_path: Path, script: Script, console: Console,
    environ: dict[str, str],
) -> None:  # fmt: skip
    """The message has Go's own words, from wherever Go says them."""
    script(tmp_path / "tools" / "go", f'[ "$1" = version ] && {{ echo go1.26; exit; }}\n{answer}')

    with pytest.raises(BadModule, match=f"v8.7.0 could not be fetched: {reason}"):
        crd_files([SMALL], console, environ)


def test_the_api_server_takes_the_crds(kubectl: Kubectl, console: Console) -> None:
    """A real API server stores them."""
    files = crd_files([SMALL], console)
    flags = [flag for file in files for flag in ("-f", str(file))]
    try:
        applied = kubectl("apply", "--server-side", *flags)
        assert applied.count("serverside-applied") == len(files)
    finally:
        kubectl("delete", "--ignore-not-found", "--wait=false", *flags)
