"""A token bucket that may be lifted, corrected and paid back.

Bursts are kept small on purpose: the largest single amount and a sliver of the rate, so that what
was configured is met exactly and the provider's own bucket, whatever its size, is never drained.
"""

from dataclasses import dataclass, replace

SLIVER_S = 0.03
"""Seconds of the rate that may come at once beyond one amount, since timers are late by as much."""
WINDOW_S = 60.0
"""Limits are given per minute, and no reservation is larger than a minute's worth."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that held `level` at `at_s`. A level below zero is debt, which is paid first.

    Nothing is earned before `at_s`, which may lie ahead.
    """

    rate_per_s: float
    level: float
    at_s: float
    largest: float = 1.0
    """The largest amount that anybody asked for: the bucket holds at least that."""
    told: bool = False
    """Whether the provider ever said what is there. If not, a wider bucket is a fuller one."""

    @property
    def size(self) -> float:
        """The level up to which it fills by itself. A higher one was given, and does not grow."""
        return reservation(self, self.largest) + self.rate_per_s * SLIVER_S


def full(rate_per_s: float, now_s: float) -> Bucket:
    """Return a bucket that nothing was taken from yet."""
    empty = Bucket(rate_per_s, 0.0, now_s)
    return replace(empty, level=empty.size)


def reservation(bucket: Bucket, amount: float) -> float:
    """Return as much of `amount` as a minute brings: a request for more would wait for ever."""
    return min(amount, max(1.0, bucket.rate_per_s * WINDOW_S))


def level(bucket: Bucket, now_s: float) -> float:
    """Return what may be taken now."""
    earned = bucket.level + bucket.rate_per_s * max(0.0, now_s - bucket.at_s)
    return max(bucket.level, min(bucket.size, earned))


def ready_s(bucket: Bucket, amount: float, now_s: float) -> float:
    """Return the instant at which `amount` may be taken; `now_s` if that is now."""
    bucket = _widened(bucket, amount)
    missing = reservation(bucket, amount) - level(bucket, now_s)
    return now_s if missing <= 0 else max(now_s, bucket.at_s) + missing / bucket.rate_per_s


def take(bucket: Bucket, amount: float, now_s: float) -> Bucket:
    """Charge a reservation."""
    bucket = _widened(bucket, amount)
    return give(bucket, -reservation(bucket, amount), now_s)


def give(bucket: Bucket, amount: float, now_s: float) -> Bucket:
    """Pay back what was reserved too much, or charge (below zero) what was reserved too little.

    Nobody owes more than a minute brings, whatever a provider says that a request took.
    """
    before = level(bucket, now_s)
    least = min(before, -bucket.rate_per_s * WINDOW_S)
    after = max(least, min(before + amount, max(before, bucket.size)))
    return replace(bucket, level=after, at_s=max(bucket.at_s, now_s))


def earning(bucket: Bucket, now_s: float) -> Bucket:
    """Let it earn from now on, even if it was to earn nothing for some time yet."""
    return replace(bucket, level=level(bucket, now_s), at_s=now_s)


def idle_s(bucket: Bucket, now_s: float) -> float:
    """Return for how many seconds it has been full; below zero while it is not."""
    return now_s - bucket.at_s - max(0.0, bucket.size - bucket.level) / bucket.rate_per_s


def at_level(bucket: Bucket, new_level: float, at_s: float) -> Bucket:
    """Set the level to what the provider said; nothing is earned before `at_s`."""
    return replace(bucket, level=new_level, at_s=at_s, told=True)


def at_rate(bucket: Bucket, rate_per_s: float, now_s: float) -> Bucket:
    """Fill at another rate from now on; what the new size does not hold is gone."""
    at_s = max(bucket.at_s, now_s)
    changed = replace(bucket, rate_per_s=rate_per_s, level=level(bucket, now_s), at_s=at_s)
    owed = -rate_per_s * WINDOW_S
    return replace(changed, level=max(owed, min(changed.level, changed.size)))


def _widened(bucket: Bucket, amount: float) -> Bucket:
    """Return a bucket that holds `amount`."""
    if amount <= bucket.largest:
        return bucket
    wider = replace(bucket, largest=amount)
    if bucket.told:
        return wider
    return replace(wider, level=bucket.level + wider.size - bucket.size)
