"""Scan and InferenceProvider at work: two `kubectl get --watch`, and the model server's books.

On a terminal `panels.py` draws them in place. Elsewhere they become lines: what kubectl prints, the
books now and then, and what the scan says while it waits.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Protocol

from rich.live import Live

from capscan.cli.demo.kubectl import Kubectl
from capscan.cli.demo.screen import Screen
from capscan.cli.demo.watch import ENDS, forward, objects
from capscan.model import CapabilityScan, InferenceProvider
from demos.gate.panels import Seen, books_line, draw
from demos.gate.server import Server

TICK_S = 0.25
TOLD_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what kubectl prints, without its end."""

    kind: str
    text: str


News = Line | CapabilityScan | InferenceProvider
WATCHED: dict[str, type[CapabilityScan] | type[InferenceProvider]] = {
    "capabilityscan": CapabilityScan,
    "inferenceprovider": InferenceProvider,
}


class View(Protocol):
    """Shows what is seen."""

    def line(self, line: Line) -> None:
        """Show a line that kubectl printed."""

    def tick(self) -> None:
        """Show what is new, or that some time has passed."""


def watch(
    kubectl: Kubectl, names: Mapping[str, str], server: Server, screen: Screen, timeout_s: float
) -> Seen:
    """Show scan and provider until the scan has ended, or for `timeout_s`; return what was seen
    last. `names` are those of the scan and the provider, by kind.
    """
    seen = Seen(server)
    with ExitStack() as stack:
        news: SimpleQueue[News | None] = SimpleQueue()
        for kind, name in names.items():
            shown = ("get", kind, name, "--watch")
            screen.command(f"kubectl {' '.join(shown)}")
            args = (*shown, f"--request-timeout={timeout_s:.0f}s")
            printed = stack.enter_context(kubectl.stream(*args))
            bodies = stack.enter_context(kubectl.stream(*args, "-o", "json"))
            for source in (_lines(kind, printed), _parsed(kind, bodies)):
                Thread(target=forward, args=(source, news), daemon=True).start()
        view: View = Plain(seen, screen)
        if screen.live:
            # Last, so that the screen is in order before kubectl is stopped.
            live = stack.enter_context(Live(console=screen.console, auto_refresh=False))
            view = InPlace(seen, live)
        _follow(news, seen, view)
    return seen


def _lines(kind: str, printed: Iterator[str]) -> Iterator[Line]:
    return (Line(kind, line.rstrip()) for line in printed)


def _parsed(kind: str, bodies: Iterator[str]) -> Iterator[News]:
    return map(WATCHED[kind].from_wire, objects(bodies))


def _follow(news: "SimpleQueue[News | None]", seen: Seen, view: View) -> None:
    """Take news until both forms have shown the end of the scan, or until a watch has ended."""
    lines_of_end = 0
    while not (seen.scan.phase in ENDS and lines_of_end):
        try:
            item = news.get(timeout=TICK_S)
        except Empty:
            pass
        else:
            if item is None:
                return
            if isinstance(item, Line):
                lines_of_end += not ENDS.isdisjoint(item.text.split())
                view.line(item)
            elif isinstance(item, CapabilityScan):
                seen.scan = item.status
            else:
                seen.take_provider(item.status)
        seen.server.read()
        view.tick()
    seen.server.read()


class InPlace:
    """Draws panels on a terminal."""

    def __init__(self, seen: Seen, live: Live) -> None:
        self._seen = seen
        self._live = live
        self._lines: dict[str, list[str]] = {kind: [] for kind in WATCHED}

    def line(self, line: Line) -> None:
        self._lines[line.kind].append(line.text)

    def tick(self) -> None:
        width, height = self._live.console.size
        drawn = draw(self._seen, list(self._lines.values()), width, height)
        self._live.update(drawn, refresh=True)


class Plain:
    """Prints lines where there is no terminal."""

    def __init__(self, seen: Seen, screen: Screen) -> None:
        self._seen = seen
        self._screen = screen
        self._told_at_s = time.monotonic()
        self._waiting = self._down = False

    def line(self, line: Line) -> None:
        self._screen.output(line.text)

    def tick(self) -> None:
        self._say_turns()
        if time.monotonic() - self._told_at_s >= TOLD_EVERY_S:
            self._told_at_s = time.monotonic()
            self._screen.note(f"  [model server] {books_line(self._seen.server.books)}")

    def _say_turns(self) -> None:
        down = self._seen.server.back_in_s() > 0
        if down != self._down:
            self._down = down
            self._screen.note(f"  [model server] {'DOWN: 503 to everything' if down else 'back'}")
        waiting = self._seen.waiting
        if bool(waiting) != self._waiting:
            self._waiting = bool(waiting)
            self._screen.note(f"  [the scan says] {waiting or self._seen.scan.message}")
