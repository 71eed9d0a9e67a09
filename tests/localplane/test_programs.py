"""Where the programs come from, in which order, and what is passed over."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from capscan.localplane import programs
from capscan.localplane.build import GO_FILES
from capscan.localplane.console import Console
from capscan.localplane.programs import API_SERVER, ETCD, KUBECTL, find_programs, programs_folder
from tests.localplane.conftest import Script
from tests.localplane.stand_ins import RIGHT, folder_of

WITHOUT_PIP = """
import sys
from capscan.localplane.console import Console
from capscan.localplane.errors import NoPrograms
from capscan.localplane.programs import find_programs
sys.modules["pip"] = None
try:
    find_programs(["etcd"], Console())
except NoPrograms as error:
    sys.exit(str(error))
"""


def test_assets_come_before_path(
    tmp_path: Path, script: Script, console: Console, environ: dict[str, str]
) -> None:
    """KUBEBUILDER_ASSETS is a wish: it wins over what lies on PATH."""
    assets = folder_of(tmp_path / "assets", script)
    on_path = folder_of(tmp_path / "bin", script)
    environ |= {"KUBEBUILDER_ASSETS": str(assets), "PATH": f"{on_path}:{environ['PATH']}"}

    assert {name: assets / name for name in RIGHT} == find_programs(list(RIGHT), console, environ)


def test_path_comes_before_the_cache(
    tmp_path: Path, script: Script, console: Console, environ: dict[str, str]
) -> None:
    """What somebody installed wins over what was built earlier."""
    on_path = folder_of(tmp_path / "bin", script)
    folder_of(programs_folder(environ), script)
    environ["PATH"] = f"{on_path}:{environ['PATH']}"

    assert {ETCD: on_path / ETCD} == find_programs([ETCD], console, environ)


def test_a_kubectl_of_another_minor_is_passed_over_for_a_later_one_on_path(
    tmp_path: Path, script: Script, console: Console, environ: dict[str, str]
) -> None:
    """The first on PATH is the wrong one, the second is the right one."""
    wrong = script(tmp_path / "old" / KUBECTL, "echo Client Version: v1.32.4").parent
    right = folder_of(tmp_path / "bin", script)
    environ["PATH"] = f"{wrong}:{right}:{environ['PATH']}"

    assert {KUBECTL: right / KUBECTL} == find_programs([KUBECTL], console, environ)


def test_each_program_is_looked_for_on_its_own(
    tmp_path: Path, script: Script, console: Console, environ: dict[str, str]
) -> None:
    """An old etcd in the assets is passed over and said; the rest of the assets is used."""
    assets = folder_of(tmp_path / "assets", script, **{ETCD: "echo etcd Version: 3.4.30"})
    cached = folder_of(programs_folder(environ), script)
    environ["KUBEBUILDER_ASSETS"] = str(assets)

    found = find_programs([ETCD, API_SERVER], console, environ)

    assert {ETCD: cached / ETCD, API_SERVER: assets / API_SERVER} == found


def test_a_program_of_the_assets_that_does_not_fit_is_told(
    tmp_path: Path, script: Script, said: io.StringIO, environ: dict[str, str]
) -> None:
    """Whoever set KUBEBUILDER_ASSETS must not wonder why it had no effect."""
    old = {ETCD: "echo etcd Version: 3.4.30", API_SERVER: "echo Kubernetes v1.31.0"}
    assets = folder_of(tmp_path / "assets", script, **old)
    folder_of(programs_folder(environ), script)
    environ["KUBEBUILDER_ASSETS"] = str(assets)

    find_programs([ETCD, API_SERVER], Console(said), environ)

    assert said.getvalue().splitlines() == [
        f"passing over {assets / ETCD}: etcd 3.6 or newer is needed",
        f"passing over {assets / API_SERVER}: kube-apiserver 1.36 is needed",
    ]


@pytest.mark.parametrize("body", ["exit 1", "echo no number here", "echo Kubernetes v1.360.1"])
def test_a_program_that_does_not_tell_its_version_does_not_fit(
    body: str, tmp_path: Path, script: Script
) -> None:
    """It is better to look on than to start something unknown."""
    assert not programs.fits(API_SERVER, script(tmp_path / API_SERVER, body))


def test_a_file_that_cannot_run_does_not_fit(tmp_path: Path) -> None:
    """It may be an interrupted download, or another machine's binary."""
    (tmp_path / ETCD).write_bytes(b"\x7fELF")
    (tmp_path / ETCD).chmod(0o755)

    assert not programs.fits(ETCD, tmp_path / ETCD)


def test_without_any_source_the_build_says_what_is_missing(environ: dict[str, str]) -> None:
    """There are no programs, no Go and no pip: the message names what to install."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PIP],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert re.search(r"no Go 1\.26 or newer on PATH.*ensurepip", done.stderr)
    assert "Traceback" not in done.stderr


def test_the_cache_lies_where_the_environment_says(tmp_path: Path) -> None:
    """CAPSCAN_CACHE comes first, then XDG_CACHE_HOME, then the home folder."""
    own = programs_folder({"CAPSCAN_CACHE": str(tmp_path / "own"), "XDG_CACHE_HOME": "/ignored"})
    xdg = programs_folder({"XDG_CACHE_HOME": str(tmp_path)})
    home = programs_folder({})

    assert own.parent == tmp_path / "own" / "programs"
    assert xdg.parent == tmp_path / "capscan" / "programs"
    assert home.parent == Path.home() / ".cache" / "capscan" / "programs"
    assert own.name == xdg.name
    assert own.name.startswith("v1.36.2-")


def test_other_pins_are_another_cache_entry(environ: dict[str, str]) -> None:
    """A change of one sum must never find programs that were built with the old one."""
    pins = (GO_FILES / "go.mod").read_bytes() + (GO_FILES / "go.sum").read_bytes()

    assert programs_folder(environ).name == programs.folder_name(pins)
    assert programs.folder_name(pins + b"\n") != programs.folder_name(pins)
