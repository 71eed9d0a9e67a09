"""A scan at work: what `kubectl get --watch` prints, and on a terminal a bar beside it.

The bar is drawn from `kubectl get --watch -o json` alone, so it shows what any client can know.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from capscan.cli.demo.kubectl import Kubectl
from capscan.cli.demo.screen import Screen
from capscan.core.conditions import DONE
from capscan.core.text import printable
from capscan.model import CapabilityScan, Phase, Progress, ScanStatus

ENDS = frozenset({*DONE, Phase.FAILED})
END_WORDS = frozenset(phase.value for phase in ENDS)
TIMEOUT_S = 120
BESIDE_COLUMNS_MIN = 96
BAR_COLUMNS = 28
LINES_MAX = 12

NewsT = TypeVar("NewsT")


def watch(kubectl: Kubectl, scan: str, screen: Screen) -> bool:
    """Show the scan until it has ended. Return False where the watch ended first."""
    shown = ("get", "capabilityscan", scan, "--watch")
    screen.command(f"kubectl {' '.join(shown)}")
    args = (*shown, f"--request-timeout={TIMEOUT_S}s")
    if not screen.live:
        with kubectl.stream(*args) as lines:
            return _plainly(lines, screen)
    with ExitStack() as stack:
        # Inside the streams' blocks, so that the screen is in order before kubectl is stopped.
        lines = stack.enter_context(kubectl.stream(*args))
        objects = stack.enter_context(kubectl.stream(*args, "-o", "json"))
        view = View()
        with Live(
            console=screen.console,
            get_renderable=lambda: view.render(screen),
            auto_refresh=False,
        ) as live:
            return _in_place(lines, scans(objects), view, live)


def _plainly(lines: Iterable[str], screen: Screen) -> bool:
    for line in lines:
        screen.output(line)
        if _is_end(line):
            return True
    return False


def _in_place(
    lines: Iterator[str], objects: Iterator[CapabilityScan], view: "View", live: Live
) -> bool:
    news: SimpleQueue[str | CapabilityScan | None] = SimpleQueue()
    for source in (lines, objects):
        Thread(target=forward, args=(source, news), daemon=True).start()
    while not view.ended:
        item = news.get()
        if item is None:
            return False
        view.take(item)
        live.refresh()
    return True


def forward(source: Iterable[NewsT], news: "SimpleQueue[NewsT | None]") -> None:
    """Put everything that a source says, then None."""
    # A ValueError is all that says that the stream was closed, as it is at the end.
    with suppress(ValueError):
        for item in source:
            news.put(item)
    news.put(None)


def scans(lines: Iterable[str]) -> Iterator[CapabilityScan]:
    """Return the scans in what `kubectl get --watch -o json` prints."""
    return map(CapabilityScan.from_wire, objects(lines))


def objects(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects in such a text: they are indented, one after another."""
    text: list[str] = []
    for line in lines:
        text.append(line)
        if line.rstrip() == "}":
            yield json.loads("".join(text))
            text.clear()


def _is_end(line: str) -> bool:
    return not END_WORDS.isdisjoint(line.split())


class View:
    """The newest status, and the last lines that kubectl printed."""

    def __init__(self) -> None:
        self._status = ScanStatus()
        self._lines: list[str] = []

    @property
    def ended(self) -> bool:
        """Return whether both sides have seen the end."""
        return self._status.phase in ENDS and any(_is_end(line) for line in self._lines)

    def take(self, item: str | CapabilityScan) -> None:
        """Take a line for the one side, or an object for the other."""
        if isinstance(item, CapabilityScan):
            self._status = item.status
        else:
            head = [self._lines[0]] if self._lines else []
            self._lines = [*head, *self._lines[1:][-(LINES_MAX - 2) :], printable(item.rstrip())]

    def render(self, screen: Screen) -> RenderableType:
        """Return both sides, side by side where there is room, else one above the other."""
        raw = Text("\n".join(self._lines) or "…", no_wrap=True, overflow="ellipsis")
        left = Panel(bar(self._status), title="its status", width=BAR_COLUMNS + 4)
        right = Panel(raw, title="what kubectl prints")
        if screen.console.width < BESIDE_COLUMNS_MIN:
            return Group(left, right)
        grid = Table.grid(expand=True)
        grid.add_column(width=BAR_COLUMNS + 4)
        grid.add_column(ratio=1)
        grid.add_row(left, right)
        return grid


def bar(status: ScanStatus) -> RenderableType:
    """Return counts, failures, rate and time left, as the status says; a dash for what it lacks."""
    counts = status.progress or Progress()
    done = status.phase in ENDS
    style = "red" if counts.failed else "green" if done else "cyan"
    head = Table.grid(expand=True)
    head.add_column()
    head.add_column(justify="right")
    head.add_row(Text(status.phase or "…", f"bold {style}"), _told(counts.summary))
    rows = Table.grid(expand=True)
    rows.add_column()
    rows.add_column(justify="right")
    rate = status.throughput_per_minute
    rows.add_row("analysed", str(counts.completed))
    rows.add_row("unchanged", str(counts.unchanged))
    rows.add_row("failed", Text(str(counts.failed), "red" if counts.failed else ""))
    rows.add_row("in flight", str(counts.in_flight))
    rows.add_row("CRDs a minute", f"{rate:,.0f}" if rate else "–")
    rows.add_row("time left", "0s" if done else _told(status.eta))
    # A row of its own, because without colours a bar ends where it is full, and no line with it.
    middle = Table.grid(expand=True)
    middle.add_row(
        ProgressBar(counts.total or 1, counts.settled, complete_style=style, finished_style=style)
    )
    return Group(head, middle, rows)


def _told(text: str | None) -> Text:
    """Return a text of the status as it is: others may write it too, with markup in it."""
    return Text(printable(text or "–"))
