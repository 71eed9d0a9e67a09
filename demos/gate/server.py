"""The fake model server as a process of its own, started, told of its outage, and read."""

import json
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from tests.modelserver.behaviour import Behaviour, Outage

from capscan.cli import Cannot
from capscan.cli.demo.stage import Stage
from demos.gate.books import Books, Ledger

NAME = "modelserver"
START_S = 20.0
POLL_S = 0.05


@dataclass(slots=True)
class Server:
    """A fake model server that runs."""

    url: str
    ledger: Ledger
    books: Books = field(default_factory=Books)
    _outage: Outage | None = None
    _told_at_s: float = 0.0

    def plan(self, outage: Outage) -> None:
        """Tell the server when to be away, counted from now."""
        body = change(outage).encode()
        self._outage, self._told_at_s = outage, time.monotonic()
        with urllib.request.urlopen(f"{self.url}/_control", body, timeout=10):  # noqa: S310 it is ours
            pass

    def read(self) -> Books:
        """Read the ledger up to now."""
        for call in self.ledger.news():
            self.books.take(call, time.monotonic())
        return self.books

    def up_for_s(self) -> float:
        """Return how long the server is up at least, from the first request to the outage."""
        at_s = self._outage.at_s if self._outage else 0.0
        return max(0.0, self._told_at_s + at_s - self.books.began_at_s)

    def back_in_s(self) -> float:
        """Return how long the server is still down; 0 where it is not."""
        if self._outage is None:
            return 0.0
        elapsed_s = time.monotonic() - self._told_at_s
        over_at_s = self._outage.at_s + self._outage.for_s
        return over_at_s - elapsed_s if self._outage.lasts(elapsed_s) else 0.0


def change(outage: Outage) -> str:
    """Return what the server is told to change, as JSON."""
    return json.dumps({"outages": [outage.model_dump(exclude_defaults=True)]})


def command(python: str, behaviour: Behaviour, ledger: Path) -> list[str]:
    """Return the command that starts the server."""
    told = behaviour.model_dump_json(exclude_defaults=True)
    return [python, "-m", "tests.modelserver", "--behaviour", told, "--ledger", str(ledger)]


def start(stage: Stage, command: list[str], ledger: Path) -> Server:
    """Start the server and wait for its address. Raises Cannot with the server's log."""
    stage.start(NAME, command)
    log = stage.log(NAME)
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        said = log.read_text(encoding="utf-8") if log.exists() else ""
        if said.startswith("http") and said.endswith("\n"):
            return Server(said.strip(), Ledger(ledger))
        time.sleep(POLL_S)
    raise Cannot(f"the model server did not start; its log is {log}")
