"""Runs the operator as a process that a test starts, kills and starts again."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.installation import ROOT
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
        """The file with one line for each request to the provider."""
        return self.folder / "ledger"

    @property
    def log(self) -> str:
        """What all processes of this operator have logged."""
        path = self.folder / "operator.log"
        return path.read_text() if path.exists() else ""

    @property
    def pid(self) -> int:
        """The id of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    def start(self, **flags: float | str) -> None:
        """Start it with flags of `tests.operator_process`; it begins to work a moment later."""
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
                cwd=ROOT,
                env={key: value for key, value in os.environ.items() if key != "KUBECONFIG"},
            )

    def kill(self) -> None:
        """Kill it as `kill -9` does, and wait for its end."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_S)

    def stop(self) -> int:
        """End it by SIGTERM; return the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_S)

    def close(self) -> None:
        """Stop it if it still runs."""
        if self._process and self._process.poll() is None:
            self.stop()

    def until_logged(self, text: str) -> None:
        """Wait until the log contains that text."""
        until(lambda: self.log, lambda log: text in log, f"log line with {text!r}")
