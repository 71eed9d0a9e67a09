"""Whose turn it is: weighted fair queueing between flows, first come first served within one.

Start-time fair queueing (Goyal, Vin, Cheng 1996): each request costs 1/weight of virtual time, and
the flow that is furthest behind goes next. A flow that was idle comes in at the present, so it
neither waits behind what others queued before it nor is owed for its silence. What leaves the
queue unserved costs its flow nothing.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


@dataclass(slots=True)
class _Line(Generic[T]):
    start: float
    """The virtual time at which its first request is due."""
    waiting: dict[T, int] = field(default_factory=dict)
    """Entries in their order, with their weights."""


class FairQueue(Generic[T]):
    """Entries wait in the line of their flow; those that were sent back come before all others."""

    def __init__(self) -> None:
        self._front: dict[T, None] = {}
        self._lines: dict[str, _Line[T]] = {}
        self._idle: dict[str, float] = {}
        """The virtual time up to which flows were served that wait for nothing now."""
        self._now = 0.0

    def push(self, entry: T, flow: str, weight: int) -> None:
        """Put an entry at the end of its flow's line."""
        line = self._lines.get(flow)
        if line is None:
            start = max(self._now, self._idle.pop(flow, 0.0))
            line = self._lines[flow] = _Line(start)
        line.waiting[entry] = weight

    def push_front(self, entry: T) -> None:
        """Put an entry before all lines, behind those sent back earlier; it has paid already."""
        self._front[entry] = None

    def head(self) -> T | None:
        """Return the entry whose turn it is; None where nobody waits."""
        if self._front:
            return next(iter(self._front))
        if not self._lines:
            return None
        return next(iter(min(self._lines.values(), key=_start).waiting))

    def pop(self) -> T:
        """Take out the head, and let its flow pay for it."""
        if self._front:
            entry = next(iter(self._front))
            del self._front[entry]
            return entry
        flow, line = min(self._lines.items(), key=lambda item: item[1].start)
        entry = next(iter(line.waiting))
        self._now = line.start
        line.start += 1.0 / line.waiting.pop(entry)
        self._leave(flow, line)
        return entry

    def discard(self, entry: T, flow: str) -> None:
        """Take out an entry that waits no longer; its flow pays nothing for it."""
        self._front.pop(entry, None)
        line = self._lines.get(flow)
        if line is not None:
            line.waiting.pop(entry, None)
            self._leave(flow, line)

    def _leave(self, flow: str, line: _Line[T]) -> None:
        if line.waiting:
            return
        del self._lines[flow]
        self._idle = {name: start for name, start in self._idle.items() if start > self._now}
        self._idle[flow] = line.start


def _start(line: _Line[T]) -> float:
    return line.start
