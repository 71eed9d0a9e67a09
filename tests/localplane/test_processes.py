"""Starting, recognising and stopping processes."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from capscan.localplane.processes import Process, ask_ps, is_running, kill, spawn, stop
from tests.localplane.waiting import eventually


def test_a_process_of_its_own_session_is_started_and_stopped(tmp_path: Path) -> None:
    """It has no terminal and no group in common with its parent, and ends when asked."""
    process = spawn(["/bin/sleep", "60"], tmp_path / "log")

    assert is_running(process)
    assert os.getsid(process.pid) == process.pid
    stop(process)
    assert not is_running(process)


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """An API server whose etcd is gone does not end when it is asked."""
    deaf = spawn(
        ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do :; done"], tmp_path / "log"
    )
    eventually(lambda: "ready" in (tmp_path / "log").read_text())

    stop(deaf, patience_s=0.1)

    assert not is_running(deaf)


def test_a_recycled_pid_is_left_alone() -> None:
    """The number is the same and the birth is not: it is somebody else's process."""
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        remembered = Process(stranger.pid, "the birth of a process that is long gone")
        assert not is_running(remembered)
        stop(remembered)
        kill(remembered)

        assert stranger.poll() is None
        stranger.send_signal(signal.SIGKILL)


def test_a_process_that_awaits_its_parent_does_not_run(tmp_path: Path) -> None:
    """A test that is the parent must see a dead server as dead."""
    process = spawn(["/bin/true"], tmp_path / "log")
    eventually(lambda: not is_running(process))

    assert not is_running(process)
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_ps_tells_the_birth_of_a_process_and_whether_it_has_ended(tmp_path: Path) -> None:
    """On the BSDs and macOS there is no /proc; what is asked of ps has to do everywhere."""
    process = spawn(["/bin/sleep", "60"], tmp_path / "log")
    birth, ended = ask_ps(process.pid)

    assert birth.endswith(tuple("0123456789"))
    assert not ended
    assert ask_ps(process.pid) == (birth, False)
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: ask_ps(process.pid)[1])  # it has ended, and awaits its parent
    os.waitpid(process.pid, 0)
    assert ask_ps(process.pid) == ("", True)
