"""What was asked and answered: every request, one record; in a process one JSON line each.

Records are kept in the order of arrival and written in the order of completion.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO


@dataclass(slots=True)
class Call:
    """One request; its fields are filled while it is answered."""

    at_s: float
    """Since the server started."""
    path: str
    protocol: str = ""
    key: str = ""
    model: str = ""
    name: str = ""
    """The CRD asked about; empty where it is not about one."""
    in_flight: int = 0
    """At arrival, this one among them."""
    input_tokens: int = 0
    """Charged; 0 where it was refused. The same for output."""
    output_tokens: int = 0
    fault: str = ""
    status: int = 0
    """0 while it is in flight, and where no status went out."""
    latency_s: float = 0.0
    """Until its last byte was ready to go out, or the client went."""
    whole: bool = False
    """All of the answer was sent."""
    disconnected: bool = False
    """The client went before that."""


@dataclass(slots=True)
class Ledger:
    """All calls since the start."""

    file: TextIO | None = None
    calls: list[Call] = field(default_factory=list)

    def close(self, call: Call) -> None:
        """Write a call that is over to the file."""
        if self.file:
            self.file.write(json.dumps(asdict(call)) + "\n")
            self.file.flush()

    def completions(self) -> list[Call]:
        """Return the calls that asked about a CRD."""
        return [call for call in self.calls if call.name]

    def asked(self, name: str) -> int:
        """Return how often this CRD was asked about, answered or not."""
        return sum(call.name == name for call in self.calls)

    def answered(self, name: str) -> int:
        """Return how often a 200 about this CRD went out whole."""
        return self.count(lambda call: call.name == name and call.status == 200 and call.whole)

    def statuses(self) -> Counter[int]:
        """Return how often each status went out to questions about CRDs."""
        return Counter(call.status for call in self.completions())

    @property
    def max_in_flight(self) -> int:
        """The most that were in flight at once, refused ones among them."""
        return max((call.in_flight for call in self.calls), default=0)

    def count(self, wanted: Callable[[Call], bool]) -> int:
        """Return how many calls are wanted."""
        return sum(map(wanted, self.calls))

    def to_json(self) -> list[dict[str, Any]]:
        """Return what GET /_ledger answers."""
        return [asdict(call) for call in self.calls]
