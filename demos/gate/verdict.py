"""The table at the end: what the gate made of it, and whether that is a success.

Pure: what was counted in, lines out.
"""

from dataclasses import dataclass

from capscan.model import Phase, RunUsage, ScanStatus
from demos.gate.books import Books
from demos.gate.setting import IN_FLIGHT_MAX, LATENCY, REQUESTS_PER_MINUTE, Setting

LABEL_COLUMNS = 17


@dataclass(frozen=True, slots=True)
class Verdict:
    """The last status of the scan beside the server's books."""

    setting: Setting
    status: ScanStatus
    books: Books
    up_for_s: float
    """From the first request to the outage."""
    circuit_opened: bool

    @property
    def lost(self) -> int:
        """Return how many CRDs have no answer."""
        return self.setting.crds - self.books.answered

    @property
    def good(self) -> bool:
        """Return whether all CRDs are answered and the scan says so too."""
        return self.status.phase is Phase.COMPLETED and not self.lost

    def lines(self) -> list[str]:
        """Return the table, in lines of at most 77 columns."""
        books, setting = self.books, self.setting
        statuses, usage = books.statuses, self.status.usage or RunUsage()
        bound_s = setting.bound_s(self.up_for_s)
        ratio = books.makespan_s / bound_s
        return [
            *_row(
                "makespan",
                f"{books.makespan_s:.1f} s, {ratio:.2f} times the lower bound of {bound_s:.1f} s",
                "(what not even a client that knows all limits can beat:",
                f"a burst of {setting.rate.burst:.0f}, then {REQUESTS_PER_MINUTE} a minute, "
                f"{IN_FLIGHT_MAX} in flight,",
                f"{LATENCY.mean_s} s each on average, {setting.outage_s:g} s without a server)",
            ),
            *_row("requests", f"{books.requests} for {setting.crds} CRDs"),
            *_row(
                "rejected",
                f"{statuses[429]} too fast (429), {statuses[529]} too many at once (529)",
            ),
            *_row(
                "in the outage",
                f"{statuses[503]} wasted (503); the circuit was "
                f"{'open' if self.circuit_opened else 'never seen open'}",
            ),
            *_row("latency", self._latency()),
            *_row("lost", str(self.lost)),
            *_row("answered twice", str(books.twice)),
            *_row("most at once", f"{books.in_flight_max} in flight at the server"),
            *_row("tokens", f"{usage.total_tokens:,}"),
            *_row("cost", f"${usage.cost or 0} by the pricing of the InferenceProvider"),
        ]

    def _latency(self) -> str:
        latency, speedup = self.status.latency, self.status.speedup
        if latency is None:
            return "unknown"
        return f"p50 {latency.p50}, p95 {latency.p95}; {speedup} times as fast as one at a time"


def _row(label: str, *lines: str) -> list[str]:
    return [
        f"{'' if number else label:<{LABEL_COLUMNS}}{line}" for number, line in enumerate(lines)
    ]
