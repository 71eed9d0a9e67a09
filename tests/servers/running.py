"""Another's server as a process: started, waited for, and stopped by its process group.

Each is bounded in time by itself, so that none outlives a test run that was killed.
"""

import http.client
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.operator.waiting import until

LIFE_S_MAX = 600
START_S_MAX = 120.0
STOP_S_MAX = 10.0


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def running(
    command: Sequence[object],
    port: int,
    folder: Path,
    *,
    looks_at: str = "/",
    environ: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Run a server while the block lasts; its address. It is up once it answers 200 there."""
    log = folder / "server.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            ["timeout", "--kill-after=5", str(LIFE_S_MAX), *map(str, command)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=dict(os.environ) | dict(environ or {}),
            start_new_session=True,
        )
    try:

        def answers() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"it ended: {log.read_text(errors='replace')[-2000:]}")
            return _status(port, looks_at) == 200

        until(answers, bool, f"answer of {command[0]} (see {log})", START_S_MAX)
        yield f"http://127.0.0.1:{port}"
    finally:
        _stop(process)


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_S_MAX)
