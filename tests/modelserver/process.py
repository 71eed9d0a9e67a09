"""The fake as a process of its own, for tests and benchmarks that measure or kill theirs."""

import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.modelserver.behaviour import Behaviour

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class ModelServerProcess:
    """A server that runs. Its address is that of ModelServer.url."""

    url: str
    running: subprocess.Popen[str]

    def change(self, **fields: Any) -> None:
        """As ModelServer.change does; raises HTTPError on what a Behaviour does not know."""
        self._json("/_control", json.dumps(fields).encode())

    def calls(self) -> list[dict[str, Any]]:
        """Return every call so far, as in the ledger's file."""
        calls: list[dict[str, Any]] = self._json("/_ledger")
        return calls

    def asked(self) -> Counter[str]:
        """Return how often each CRD was asked about."""
        return Counter(call["name"] for call in self.calls() if call["name"])

    def _json(self, path: str, body: bytes | None = None) -> Any:
        with urllib.request.urlopen(self.url + path, body, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def running(behaviour: Behaviour | None = None, *flags: str) -> Iterator[ModelServerProcess]:
    """Runs while the block lasts; `flags` are the command line's, such as --ledger."""
    told = (behaviour or Behaviour()).model_dump_json()
    command = [sys.executable, "-m", "tests.modelserver", "--behaviour", told, *flags]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout
            yield ModelServerProcess(process.stdout.readline().strip(), process)
        finally:
            process.terminate()
