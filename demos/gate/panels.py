"""What is drawn of scan, provider and model server: values in, renderables out.

Each has a column; below them are the lines that kubectl printed.
"""

import math
import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from capscan.cli.demo.watch import bar
from capscan.model import Circuit, Phase, ProviderStatus, RunUsage, ScanStatus
from demos.gate.books import WINDOW_S, Books
from demos.gate.server import Server
from demos.gate.setting import IN_FLIGHT_MAX, REQUESTS_PER_MINUTE

BLOCKS = "▁▂▃▄▅▆▇█"
HISTORY_MAX = 20
PANEL_LINES = 18
"""Of the panels above kubectl's lines, their frames and the line of what the scan says."""


class Seen:
    """The newest of everything, and how the limit in flight came to be what it is."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.scan = ScanStatus()
        self.provider = ProviderStatus()
        self.limits: list[int] = []
        """Of requests in flight, as they came."""
        self.circuit_opened = False
        """Whether the circuit was ever seen open."""

    def take_provider(self, status: ProviderStatus) -> None:
        """Take the provider's newest status."""
        self.provider = status
        self.circuit_opened |= status.circuit not in (Circuit.CLOSED, None)
        limit = status.in_flight_limit
        if limit and (not self.limits or self.limits[-1] != limit):
            self.limits.append(limit)

    @property
    def waiting(self) -> str:
        """Return what the scan says while it waits for the provider; empty while it does not."""
        waits = any(one.reason == "WaitingForProvider" for one in self.scan.conditions or ())
        return self.scan.message or "" if waits and self.scan.phase is Phase.SCANNING else ""


def draw(seen: Seen, printed: Sequence[Sequence[str]], width: int, height: int) -> RenderableType:
    """Draw as much as the terminal has room for: of kubectl's lines each head, and the newest."""
    columns = Table.grid(expand=True)
    for _ in range(3):
        columns.add_column(ratio=1)
    columns.add_row(
        Panel(Group(bar(seen.scan), _rows(scan_rows(seen.scan))), title="the scan"),
        Panel(_gate(seen), title="the gate", height=PANEL_LINES - 3),
        Panel(_books(seen), title="the server's books", height=PANEL_LINES - 3),
    )
    says = Text(f" {seen.scan.message or ''}", "yellow" if seen.waiting else "", no_wrap=True)
    says.truncate(width, overflow="ellipsis")
    room = max(2, (height - PANEL_LINES - 2) // max(1, len(printed)))
    lines = [line for one in printed for line in (*one[:1], *one[1:][-(room - 1) :])]
    raw = Text("\n".join(lines) or "…", no_wrap=True, overflow="ellipsis")
    return Group(columns, says, Panel(raw, title="what kubectl prints"))


def scan_rows(status: ScanStatus) -> list[tuple[str, str]]:
    """Return what `bar` leaves out."""
    usage = status.usage or RunUsage()
    return [
        ("p50", status.latency.p50 if status.latency else "–"),
        ("p95", status.latency.p95 if status.latency else "–"),
        ("speedup", f"{status.speedup:g}x" if status.speedup else "–"),
        ("tokens", f"{usage.total_tokens:,}"),
        ("cost", f"${usage.cost}" if usage.cost else "–"),
    ]


def sparkline(values: Sequence[int]) -> str:
    """Return the newest values, each as a block between nothing and the largest."""
    shown = values[-HISTORY_MAX:]
    top = max(shown, default=1)
    return "".join(BLOCKS[round(value / top * (len(BLOCKS) - 1))] for value in shown)


def books_line(books: Books) -> str:
    """Return what the server counted, in one line."""
    refused = ", ".join(f"{books.statuses[status]} x {status}" for status in (429, 529, 503))
    rate = books.per_minute(time.monotonic())
    return f"{books.answered} answered, {rate:.0f} a minute of late; refused: {refused}"


def books_rows(books: Books) -> list[tuple[str, str]]:
    """Return what the server answered, and what it had to refuse."""
    rate = books.per_minute(time.monotonic())
    return [
        ("answered", str(books.answered)),
        (f"a minute (of {WINDOW_S:.0f} s)", f"{rate:.0f}"),
        ("429 too fast", str(books.statuses[429])),
        ("529 too many", str(books.statuses[529])),
        ("503 down", str(books.statuses[503])),
        ("answered twice", str(books.twice)),
    ]


def _gate(seen: Seen) -> RenderableType:
    status = seen.provider
    circuit = status.circuit or "–"
    limit = status.in_flight_limit
    last = status.last_rate_limit
    ready = next((one for one in status.conditions or () if one.type == "Ready"), None)
    return Group(
        _rows([("inFlightLimit", str(limit or "–"))]),
        Text(sparkline(seen.limits), "cyan"),
        _rows(
            [("circuit", circuit), ("ready", ready.reason if ready else "–")],
            "" if circuit == Circuit.CLOSED else "bold red",
        ),
        _rows([("last 429", last.time.strftime("%H:%M:%S") if last else "none")]),
        Text("\nIt was told of no limit.", "dim"),
    )


def _books(seen: Seen) -> RenderableType:
    back_in_s = seen.server.back_in_s()
    state = Text(f"DOWN, back in {math.ceil(back_in_s)} s", "bold red") if back_in_s else Text("up")
    limits = f"\nIts limits: {REQUESTS_PER_MINUTE} a minute, {IN_FLIGHT_MAX} at once."
    return Group(state, _rows(books_rows(seen.server.books)), Text(limits, "dim"))


def _rows(rows: Sequence[tuple[str, str]], style: str = "") -> Table:
    table = Table.grid(expand=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for name, value in rows:
        table.add_row(name, Text(value, style))
    return table
