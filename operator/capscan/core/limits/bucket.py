"""A token bucket that may be lifted, corrected and paid back.

Bursts are kept small on purpose: the largest single amount and a sliver of the rate, so that what
was configured is met exactly and the provider's own bucket, whatever its size, is never drained.
"""

from dataclasses import dataclass, replace

SLIVER_S = 0.03
"""Seconds of the rate that may come at once beyond one amount: what timers are late by."""
WINDOW_S = 60.0
"""Limits are told per minute, and no reservation is larger than a minute's worth."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What may be taken at `at_s` is `level`; below zero is debt, which new tokens pay first.

    Nothing is earned before `at_s`, which may lie ahead.
    """

    rate_per_s: float
    level: float
    at_s: float
    largest: float = 1.0
    """The largest amount that anybody asked for: the bucket holds at least that."""
    told: bool = False
    """Whether the provider ever said what is there; else what nobody asked for yet is."""

    @property
    def size(self) -> float:
        """As full as it gets by itself. A level above it was given, and does not grow."""
        return reservation(self, self.largest) + self.rate_per_s * SLIVER_S


def full(rate_per_s: float, now_s: float) -> Bucket:
    """A bucket that nothing was taken from yet."""
    empty = Bucket(rate_per_s, 0.0, now_s)
    return replace(empty, level=empty.size)


def reservation(bucket: Bucket, amount: float) -> float:
    """As much of `amount` as a minute brings: more would never be there, and wait for ever."""
    return min(amount, max(1.0, bucket.rate_per_s * WINDOW_S))


def level(bucket: Bucket, now_s: float) -> float:
    """What may be taken now."""
    earned = bucket.level + bucket.rate_per_s * max(0.0, now_s - bucket.at_s)
    return max(bucket.level, min(bucket.size, earned))


def ready_s(bucket: Bucket, amount: float, now_s: float) -> float:
    """The instant at which `amount` may be taken; `now_s` if that is now."""
    bucket = _widened(bucket, amount)
    missing = reservation(bucket, amount) - level(bucket, now_s)
    return now_s if missing <= 0 else max(now_s, bucket.at_s) + missing / bucket.rate_per_s


def take(bucket: Bucket, amount: float, now_s: float) -> Bucket:
    """Charge a reservation."""
    bucket = _widened(bucket, amount)
    return give(bucket, -reservation(bucket, amount), now_s)


def give(bucket: Bucket, amount: float, now_s: float) -> Bucket:
    """Pay back what was reserved too much, or charge (below zero) what was reserved too little."""
    before = level(bucket, now_s)
    after = min(before + amount, max(before, bucket.size))
    return replace(bucket, level=after, at_s=max(bucket.at_s, now_s))


def earning(bucket: Bucket, now_s: float) -> Bucket:
    """From now on, even if nothing was to be earned for some time yet."""
    return replace(bucket, level=level(bucket, now_s), at_s=now_s)


def idle_s(bucket: Bucket, now_s: float) -> float:
    """For how long it has been full."""
    return now_s - bucket.at_s - max(0.0, bucket.size - bucket.level) / bucket.rate_per_s


def at_level(bucket: Bucket, new_level: float, at_s: float) -> Bucket:
    """The provider said what is there, and until when nothing is earned."""
    return replace(bucket, level=new_level, at_s=at_s, told=True)


def at_rate(bucket: Bucket, rate_per_s: float, now_s: float) -> Bucket:
    """From now on at another rate; what the new size does not hold is gone."""
    at_s = max(bucket.at_s, now_s)
    changed = replace(bucket, rate_per_s=rate_per_s, level=level(bucket, now_s), at_s=at_s)
    return replace(changed, level=min(changed.level, changed.size))


def _widened(bucket: Bucket, amount: float) -> Bucket:
    """Roomy enough for `amount`."""
    if amount <= bucket.largest:
        return bucket
    wider = replace(bucket, largest=amount)
    if bucket.told:
        return wider
    return replace(wider, level=bucket.level + wider.size - bucket.size)
