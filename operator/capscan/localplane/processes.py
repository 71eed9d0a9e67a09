"""Processes that outlive the command that started them, and are recognised again later.

A pid alone proves nothing: after a crash or a reboot it may be somebody else's. So a process is
remembered with the moment of its birth, and only one that has both is ever signalled.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.05
TERM_PATIENCE_S = 3.0
"""An API server without clients ends within 1 s; one with open watches takes a minute over it."""
KILL_PATIENCE_S = 10.0
PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process that was started here: `birth` is opaque, and equal for the same process."""

    pid: int
    birth: str


def spawn(command: list[str], log: Path) -> Process:
    """Start `command` in a session of its own, detached, with its output appended to `log`.

    It uses posix_spawn, not Popen: nothing in this process shall wait for the other, or warn that
    nobody does.
    """
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigdef=[signal.SIGINT, signal.SIGPIPE],
    )
    return Process(pid, _look(pid)[0])


def is_running(process: Process) -> bool:
    """Return whether exactly this process lives. One that awaits its parent has ended."""
    birth, ended = _look(process.pid)
    if birth == process.birth and ended:
        _reap(process.pid)
    return birth == process.birth and not ended


def stop(process: Process, *, patience_s: float = TERM_PATIENCE_S) -> None:
    """Ask the process to end, wait, then kill it. Nothing happens to a process that is not this
    one.
    """
    _signal(process, signal.SIGTERM)
    if not _gone_within(process, patience_s):
        kill(process)


def kill(process: Process) -> None:
    """Kill the process, without a chance to clean up, and wait until it is gone."""
    _signal(process, signal.SIGKILL)
    _gone_within(process, KILL_PATIENCE_S)


def _signal(process: Process, number: signal.Signals) -> None:
    if is_running(process):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def _gone_within(process: Process, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while is_running(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _look(pid: int) -> tuple[str, bool]:
    """Return when the process `pid` began, and whether it has ended: then it may still have its
    entry.
    """
    return _look_in_proc(pid) if PROC.joinpath("self").exists() else ask_ps(pid)


def _look_in_proc(pid: int) -> tuple[str, bool]:
    """Return the same from /proc. proc_pid_stat(5): field 3 is the state, 20 the threads, 22 the
    start in ticks since boot.
    """
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, ProcessLookupError):
        return "", True
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    # A killed program shows as a zombie while its last threads still hold its ports.
    return f"{boot}/{fields[19]}", fields[0] in {"Z", "X"} and int(fields[17]) <= 1


def ask_ps(pid: int) -> tuple[str, bool]:
    """Return the same where there is no /proc; births are known to the second."""
    answer = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)],
        env=os.environ | {"LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    state, _, began = answer.stdout.strip().partition(" ")
    return began.strip(), not state or state.startswith("Z")


def _reap(pid: int) -> None:
    """Let the kernel forget the dead child, where this process is its parent."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
