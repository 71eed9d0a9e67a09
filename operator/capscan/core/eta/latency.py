"""How long requests take: a value that is renewed once per finished request, and stays small.

The percentiles and the fit see a window of the newest requests, not a histogram of all of them. A
window is exact, it follows a provider that becomes slower or faster in mid-run, and renewing it
copies 4 KiB at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

WINDOW = 512


@dataclass(frozen=True, slots=True)
class Latencies:
    """The average is over all requests; the percentiles are over the newest 512."""

    count: int = 0
    total_s: float = 0.0
    recent_s: tuple[float, ...] = ()

    @property
    def average_s(self) -> float | None:
        """The mean over all requests; None before the first one."""
        return self.total_s / self.count if self.count else None

    def percentile_s(self, percent: int) -> float | None:
        """Return the percentile by nearest rank, so that it is a latency that occurred; None before
        the first request.
        """
        return _nearest_rank(sorted(self.recent_s), percent) if self.recent_s else None


def add(latencies: Latencies, seconds: float) -> Latencies:
    """Return the latencies after one more request."""
    recent_s = latencies.recent_s
    if len(recent_s) >= WINDOW:
        recent_s = recent_s[1 - WINDOW :]
    return Latencies(latencies.count + 1, latencies.total_s + seconds, (*recent_s, seconds))


def _nearest_rank(ascending: Sequence[float], percent: int) -> float:
    return ascending[max(0, ceil(percent * len(ascending) / 100) - 1)]
