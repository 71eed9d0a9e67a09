"""What the model server itself counted: every request it got, read from its ledger as it grows.

The operator has no part in these numbers.
"""

import json
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from tests.modelserver.ledger import Call

WINDOW_S = 10.0


@dataclass(slots=True)
class Books:
    """Counts requests about CRDs; the server's other calls are not counted."""

    statuses: Counter[int] = field(default_factory=Counter)
    """How often each status went out."""
    in_flight_max: int = 0
    began_at_s: float = inf
    """When the first request came, at the latest, on the reader's clock."""
    _answered: Counter[str] = field(default_factory=Counter)
    _recent: deque[float] = field(default_factory=deque)
    _first_at_s: float = inf
    """On the server's clock, as the next one."""
    _last_at_s: float = 0.0

    def take(self, call: Call, seen_at_s: float) -> None:
        """Count a request that is over; `seen_at_s` is on the reader's clock."""
        if not call.name:
            return
        self._first_at_s = min(self._first_at_s, call.at_s)
        self.began_at_s = min(self.began_at_s, seen_at_s - call.latency_s)
        self.statuses[call.status] += 1
        self.in_flight_max = max(self.in_flight_max, call.in_flight)
        if call.status == 200 and call.whole:
            self._answered[call.name] += 1
            self._recent.append(seen_at_s)
            self._last_at_s = max(self._last_at_s, call.at_s + call.latency_s)

    def per_minute(self, now_s: float) -> float:
        """Return answers a minute, over the last `WINDOW_S`."""
        while self._recent and self._recent[0] <= now_s - WINDOW_S:
            self._recent.popleft()
        window_s = min(WINDOW_S, max(1.0, now_s - self.began_at_s))
        return len(self._recent) * 60 / window_s

    @property
    def requests(self) -> int:
        """Return how many requests came."""
        return self.statuses.total()

    @property
    def answered(self) -> int:
        """Return how many CRDs have their answer."""
        return len(self._answered)

    @property
    def twice(self) -> int:
        """Return how many CRDs were answered more than once."""
        return sum(times > 1 for times in self._answered.values())

    @property
    def makespan_s(self) -> float:
        """Return the seconds from the first request to the last answer."""
        return max(0.0, self._last_at_s - self._first_at_s)


class Ledger:
    """The file that the server appends to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def news(self) -> Iterator[Call]:
        """Yield what was added since; a line that is not whole yet comes next time."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield Call(**json.loads(line))
