"""`capscan local` as a user runs it: a process of its own, its output, its exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from capscan.cli.program import program
from capscan.localplane.plane import Plane, PlaneInfo

TIMEOUT_S = 60


def run(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "capscan", *args],
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=cwd,
    )  # fmt: skip


@pytest.fixture
def info(plane: Plane) -> PlaneInfo:
    return plane.info()


@pytest.fixture
def folder(info: PlaneInfo) -> str:
    return str(info.kubeconfig.parent)


def test_env_loads_neither_the_operator_nor_the_kubernetes_client() -> None:
    """The command runs in every new shell."""
    code = (
        "import sys, capscan.cli.local\n"
        "print(*({'kopf', 'kubernetes', 'pydantic', 'aiohttp'} & set(sys.modules)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert loaded.stdout == "\n"


def test_eval_of_env_makes_kubectl_talk_to_the_plane(
    info: PlaneInfo, folder: str, tmp_path: Path
) -> None:
    """The folder may have a space and a quote in its name."""
    link = tmp_path / "it's a plane"
    link.symlink_to(folder)
    printed = run("local", "env", "--dir", str(link)).stdout

    shell = f"{printed}\nkubectl config view --minify -o jsonpath='{{..server}}'; which kubectl"
    shown = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout

    assert shown == f"{info.server}{info.kubectl}\n"


def test_status_of_a_running_plane_is_a_table(folder: str) -> None:
    """It has programs, pids, ports and states; the exit code is 0."""
    shown = run("local", "status", "--dir", folder)

    rows = [line.split() for line in shown.stdout.splitlines()]
    assert rows[0] == ["NAME", "PID", "PORT", "STATE"]
    assert [(row[0], row[3]) for row in rows[1:]] == [
        ("etcd", "Ready"),
        ("kube-apiserver", "Ready"),
    ]
    assert shown.returncode == 0


def test_up_of_a_running_plane_says_so(info: PlaneInfo, folder: str) -> None:
    """It also says how to use the plane, with the folder that it was told."""
    shown = run("local", "up", "--dir", folder)

    assert shown.returncode == 0
    assert shown.stderr == "the control plane is already up\n"
    assert f"API server: {info.server}" in shown.stdout
    assert f'eval "$({program()} local env --dir {folder})"' in shown.stdout


@pytest.mark.parametrize("command", ["status", "env"])
def test_without_a_plane_the_exit_code_is_three(command: str, tmp_path: Path) -> None:
    """Standard output stays empty, for `eval`."""
    shown = run("local", command, "--dir", str(tmp_path / "none"))

    assert shown.returncode == 3
    assert shown.stdout == ""
    assert "there is no control plane in" in shown.stderr


def test_down_without_a_plane_is_fine(tmp_path: Path) -> None:
    """There is nothing to stop, which is what was wanted."""
    shown = run("local", "down", cwd=tmp_path)

    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == "there is no control plane in .cache/plane: nothing to stop\n"


def test_a_foreign_folder_is_wrong_use(tmp_path: Path) -> None:
    """The exit code is 2, and the message says what to choose instead."""
    (tmp_path / "notes.txt").touch()
    shown = run("local", "up", "--dir", str(tmp_path))

    assert shown.returncode == 2
    assert "Choose a folder that does not exist yet" in shown.stderr
