"""Who may take how much, and when: token buckets and fixed windows in explicit time.

`now` is seconds on any monotonic clock. Nothing is taken by a request that does not get all it
needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tests.modelserver.behaviour import Limits, Rate

_SLACK = 1e-9
"""What floating point may lose between two readings of the clock."""


class Bucket(Protocol):
    """Something that can be taken from."""

    limit: float
    """What the headers call the limit: of a minute."""

    def wait_s(self, amount: float, now: float) -> float:
        """Return the seconds until so much can be taken: 0 is at once, infinity is never."""

    def take(self, amount: float, now: float) -> None:
        """Take so much, after `wait_s` has returned 0."""

    def remaining(self, now: float) -> float:
        """Return what can be taken at once."""

    def full_in_s(self, now: float) -> float:
        """Return the seconds until it is as if nothing had been taken."""


@dataclass(slots=True)
class TokenBucket:
    """A bucket that is full at first, and refilled smoothly up to its capacity."""

    limit: float
    per_s: float
    capacity: float
    _taken: float = 0.0
    _at: float = 0.0

    def wait_s(self, amount: float, now: float) -> float:
        if amount > self.capacity:
            return float("inf")
        missing = amount - self.remaining(now)
        return missing / self.per_s if missing > _SLACK else 0.0

    def take(self, amount: float, now: float) -> None:
        self._taken = self.capacity - self.remaining(now) + amount
        self._at = now

    def remaining(self, now: float) -> float:
        return self.capacity - max(0.0, self._taken - (now - self._at) * self.per_s)

    def full_in_s(self, now: float) -> float:
        return (self.capacity - self.remaining(now)) / self.per_s


@dataclass(slots=True)
class FixedWindow:
    """The capacity anew with each window. The first one starts when something is first taken."""

    limit: float
    window_s: float
    capacity: float
    _start: float | None = None
    _taken: float = 0.0

    def wait_s(self, amount: float, now: float) -> float:
        if amount > self.capacity:
            return float("inf")
        return self.full_in_s(now) if amount > self.remaining(now) + _SLACK else 0.0

    def take(self, amount: float, now: float) -> None:
        self._taken = self.capacity - self.remaining(now) + amount
        self._start = now if self._start is None else self._start + self._age(now) * self.window_s

    def remaining(self, now: float) -> float:
        return self.capacity if self._age(now) else self.capacity - self._taken

    def full_in_s(self, now: float) -> float:
        if self._start is None or self._age(now) or not self._taken:
            return 0.0
        return self._start + self.window_s - now

    def _age(self, now: float) -> int:
        """Return the number of whole windows since the one that `_taken` belongs to."""
        return 0 if self._start is None else int((now - self._start + _SLACK) // self.window_s)


def bucket(rate: Rate) -> Bucket:
    """Return a bucket that is full, or whose first window has still to start."""
    if rate.window_s:
        return FixedWindow(rate.per_minute, rate.window_s, rate.capacity)
    return TokenBucket(rate.per_minute, rate.per_s, rate.capacity)


class Account:
    """The buckets of one key."""

    def __init__(self, limits: Limits) -> None:
        rates: dict[str, Rate | None] = dict(limits)
        self.buckets = {name: bucket(rate) for name, rate in rates.items() if rate}
        self.requests_admitted = 0

    def admit(self, charges: Mapping[str, float], now: float) -> tuple[str, float] | None:
        """None, with everything taken; or what ran out, and for how many seconds."""
        taken = [(name, self.buckets[name]) for name in charges if name in self.buckets]
        waits = [(name, bucket.wait_s(charges[name], now)) for name, bucket in taken]
        name, wait_s = max(waits, key=lambda wait: wait[1], default=("", 0.0))
        if wait_s:
            return name, wait_s
        for name, bucket in taken:
            bucket.take(charges[name], now)
        self.requests_admitted += 1
        return None
