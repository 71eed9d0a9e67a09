"""The operator as its own process, started, killed and started again by a test."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.operator.waiting import until

STOP_S = 15.0


@dataclass
class Operator:
    """`python -m tests.operator_process` over one folder with its ledger and log."""

    kubeconfig: Path
    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def ledger(self) -> Path:
        """One line per request to the provider."""
        return self.folder / "ledger"

    @property
    def log(self) -> str:
        """What it has logged, over all its lives."""
        path = self.folder / "operator.log"
        return path.read_text() if path.exists() else ""

    @property
    def pid(self) -> int:
        """Of the life that runs now."""
        assert self._process is not None
        return self._process.pid

    def start(self, **flags: float | str) -> None:
        """Start it with flags of `tests.operator_process`; it is at work a moment later."""
        options = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
        self.spawn(
            [
                *(sys.executable, "-m", "tests.operator_process"),
                f"--kubeconfig={self.kubeconfig}",
                f"--ledger={self.ledger}",
                *options,
            ]
        )

    def spawn(self, command: list[str]) -> None:
        """Start another command in its place."""
        with (self.folder / "operator.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env={key: value for key, value in os.environ.items() if key != "KUBECONFIG"},
            )

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_S)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_S)

    def close(self) -> None:
        """End of the test."""
        if self._process and self._process.poll() is None:
            self.stop()

    def until_logged(self, text: str) -> None:
        """Wait until it says so."""
        until(lambda: self.log, lambda log: text in log, f"log line with {text!r}")
