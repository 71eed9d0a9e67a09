"""What the doctor says of machines, and that it changes nothing on them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from capscan.localplane.doctor import (
    LATER,
    MISSING,
    NOTE,
    Machine,
    examine,
    exit_code,
    look,
    report,
)
from capscan.localplane.programs import API_SERVER, CONTROLLER_MANAGER, ETCD, KUBECTL
from capscan.localplane.reach import module_proxy, package_index, unreachable
from tests.localplane.conftest import Script
from tests.localplane.mirror import Mirror, serving
from tests.localplane.stand_ins import folder_of

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:1"
OFFLINE = {"GOPROXY": NOWHERE, "PIP_INDEX_URL": NOWHERE}
ALL = {"archive": "http://a/a.tar.gz", "modules": "http://m/", "packages": "http://p/"}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a checkout that was set up."""
    for name in ("Makefile", "pyproject.toml", "requirements/dev.txt", ".venv/bin/python"):
        (tmp_path / "a clone" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a clone" / name).touch(mode=0o755)
    (tmp_path / "a clone" / ".venv" / ".installed").touch()
    return tmp_path / "a clone"


@pytest.fixture
def complete(clone: Path, environ: dict[str, str]) -> Machine:
    """Return a machine that has to fetch nothing."""
    names = (ETCD, API_SERVER, KUBECTL, CONTROLLER_MANAGER)
    programs = {name: (Path("/opt", name), "PATH") for name in names}
    return Machine(environ, clone, programs, [], Path("/opt/go"), {}, {})


@pytest.fixture
def bare(complete: Machine) -> Machine:
    """Return a machine with a network and nothing else."""
    return replace(complete, programs={}, crds_missing=["keda"], go=None, urls=ALL)


def states(machine: Machine) -> dict[str, str]:
    return {one.what: one.state for one in examine(machine)}


def told(machine: Machine) -> str:
    return report(examine(machine), machine)


def test_a_machine_with_everything_works(complete: Machine) -> None:
    """Nothing will take long there."""
    findings = examine(complete)

    assert exit_code(findings) == 0
    assert "ok       etcd                     /opt/etcd (from PATH)\n" in told(complete)
    assert told(complete).endswith("\n\nA demo works here.")


def test_what_would_be_downloaded_is_no_obstacle(bare: Machine) -> None:
    """The archive has three of the programs; the fourth one is for tests."""
    found = states(bare)

    assert {found[name] for name in (ETCD, API_SERVER, KUBECTL, "Go", "CRDs to show")} == {LATER}
    assert found[CONTROLLER_MANAGER] == NOTE
    assert "would be downloaded in the official archive" in told(bare)
    assert exit_code(examine(bare)) == 0


def test_without_the_archive_a_build_is_announced_with_its_length(bare: Machine) -> None:
    """Nobody should wonder in the tenth minute."""
    machine = replace(bare, unreachable={"archive": "HTTP 404 Not Found"})

    assert states(machine)[ETCD] == LATER
    assert "would be built from source, all together about 10 minutes" in told(machine)
    assert "note     way: archive             a: no way (HTTP 404 Not Found)" in told(machine)
    assert told(machine).endswith("The first one takes about 10 min longer than later ones.")


def test_without_any_way_each_obstacle_has_its_remedy(bare: Machine) -> None:
    """The three programs share one line, because one thing helps them all."""
    machine = replace(bare, unreachable=dict.fromkeys(ALL, "Connection refused"))
    found = states(machine)

    assert {found[name] for name in (ETCD, API_SERVER, KUBECTL, "Go", "CRDs to show")} == {MISSING}
    assert "  etcd, kube-apiserver, kubectl: make the archive (CAPSCAN_ARCHIVE_URL) or" in told(
        machine
    )
    assert "  Go: install Go 1.26 or newer, or make the package index reachable" in told(machine)
    assert told(machine).endswith("\n\nA demo does not work here yet.")
    assert exit_code(examine(machine)) == 3


def test_a_clone_that_was_not_set_up_is_no_obstacle(complete: Machine, clone: Path) -> None:
    """It is one where the packages cannot be reached. A change since the set-up counts as well."""
    os.utime(clone / ".venv" / ".installed", (1, 1))
    assert states(complete)[".venv"] == LATER
    assert "about 1 min longer" in told(complete)

    (clone / ".venv" / ".installed").unlink()
    assert states(complete)[".venv"] == LATER
    assert states(replace(complete, unreachable={"packages": "refused"}))[".venv"] == MISSING


def test_an_environment_whose_python_is_gone_is_an_obstacle(complete: Machine, clone: Path) -> None:
    """The system was upgraded: make sees the stamp and does nothing."""
    (clone / ".venv" / "bin" / "python").unlink()

    assert states(complete)[".venv"] == MISSING
    assert ".venv: make clean; then any target" in told(complete)


def test_an_installed_capscan_has_no_checkout(complete: Machine) -> None:
    """Then there is no environment to look at."""
    assert ".venv" not in states(replace(complete, checkout=None))


def test_a_cache_that_cannot_be_is_an_obstacle(bare: Machine, tmp_path: Path) -> None:
    """It lies below a file, the disk is too small, or there is no home folder."""
    (tmp_path / "file").touch()
    machine = replace(bare, environ={"CAPSCAN_CACHE": str(tmp_path / "file" / "cache")})
    assert states(machine)["cache folder"] == MISSING
    assert "cache folder: set CAPSCAN_CACHE to a folder that can be written to" in told(machine)


def test_tools_that_are_not_there_are_noted(complete: Machine) -> None:
    """A demo works without them."""
    found = states(replace(complete, environ={"HOME": "/", "PATH": ""}))

    assert (found["make"], found["git"]) == (NOTE, NOTE)


def test_only_what_is_needed_is_asked(
    tmp_path: Path, script: Script, environ: dict[str, str]
) -> None:
    """Programs are on PATH, CRDs are still to come: the module proxy is asked, and no archive."""
    with serving(Mirror(b"")) as mirror:
        folder = folder_of(tmp_path / "bin", script)
        go = script(folder / "go", "echo go version go1.27.0 linux/amd64")
        environ |= {"PATH": f"{folder}:{environ['PATH']}", "GOPROXY": f"{mirror.url},direct"}
        environ["CAPSCAN_ARCHIVE_URL"] = NOWHERE
        machine = look(environ)

    assert machine.go == go
    assert machine.urls == {"modules": f"{mirror.url}/"}
    assert machine.unreachable == {}
    assert states(machine)["CRDs to show"] == LATER


def test_a_server_may_refuse_the_question_but_an_archive_must_be_there() -> None:
    """A proxy says 501 to this kind of request; a mirror without the file is none."""
    with serving(Mirror(b"")) as mirror:
        urls = {"modules": f"{mirror.url}/", "archive": f"{mirror.url}/other.tar.gz"}
        answers = unreachable(urls | {"packages": f"{NOWHERE}/simple/pip/"})

    assert answers == {
        "archive": "HTTP 501 Unsupported method ('HEAD')",
        "packages": "Connection refused",
    }


def test_servers_are_those_that_the_user_chose(tmp_path: Path, script: Script) -> None:
    """The environment says them, or Go's own configuration; folders are not asked."""
    go = script(tmp_path / "go", "echo 'https://goproxy.corp|direct'")

    assert module_proxy(None, {}) == "https://proxy.golang.org/"
    assert module_proxy(go, {}) == "https://goproxy.corp/"
    assert module_proxy(go, {"GOPROXY": "off"}) == ""
    assert package_index({"PIP_INDEX_URL": "https://corp/simple/"}) == "https://corp/simple/pip/"
    assert package_index({"PIP_NO_INDEX": "1"}) == ""


def test_it_runs_before_anything_is_installed_and_changes_nothing(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    """It needs the standard library alone (-S), leaves no cache folder, and ends with code 3."""
    before = sorted(tmp_path.rglob("*"))
    bare = {k: v for k, v in environ.items() if not k.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-m", "capscan.localplane.doctor"],
        env=bare | OFFLINE | {"PYTHONPATH": str(ROOT / "operator")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (3, "")
    assert "A demo does not work here yet." in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_says_the_same(environ: dict[str, str]) -> None:
    """Its exit code is the same, too."""
    done = subprocess.run(
        [sys.executable, "-m", "capscan", "doctor"],
        env=environ | OFFLINE,
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 3
    assert done.stdout.startswith("STATE    WHAT")
    assert done.stdout.endswith("A demo does not work here yet.\n")
