"""One limit of an account (requests, input or output tokens): what is known of it, and its bucket.

A header that tells of less is believed at once. One that tells of more is believed only as far as
neither the requests under way nor a stale number could overdraw the account.
"""

import math
from dataclasses import dataclass, field, replace

from capscan.core.limits import bucket as buckets
from capscan.core.limits import window as windows
from capscan.core.limits.bucket import WINDOW_S, Bucket
from capscan.core.limits.window import RESET_TOLERANCE_S, Window
from capscan.model import ObservedLimit

HEADROOM_S = 0.25
"""Seconds of the rate that a lift leaves in the account."""
REFUSED_FACTOR = 0.97
"""What the rate is multiplied by after a refusal."""
REFUSED_PAUSE_S = 1.0
"""The least time between two such changes."""
RECOVERY_PER_S = 0.001
"""The share of the rate that comes back each second after that."""
SCALE_MIN = 0.1
DISTRUST_S = 60.0
"""The time after a refusal in which no header lifts the bucket, since the last one was wrong."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What is known of one limit. Where nothing is known there is no bucket, and nothing waits."""

    configured_per_s: float | None = None
    """The limit that an administrator set."""
    headroom: float = 0.0
    """The share that is left to others, in [0, 1)."""
    told_per_s: float | None = None
    """The limit that the provider's headers tell of."""
    scale: float = 1.0
    """The share of the limit that is used: below one after refusals, since somebody else seems to
    use the account too."""
    scaled_at_s: float = -math.inf
    distrusted_until_s: float = -math.inf
    """Before then no header lifts the bucket."""
    taken: float = 0.0
    """All that was ever taken. The difference to it tells what a header could not know yet."""
    bucket: Bucket | None = None
    window: Window = field(default_factory=Window)
    """Whether the limit is refilled by windows. While one is known, `remaining` may be spent at
    once, and nothing is earned."""
    known_at_s: float = -math.inf
    """When the limit became what it is now."""

    @property
    def rate_per_s(self) -> float | None:
        """What may be used of the limit, as far as it is trusted now; None where none is known."""
        known = [rate for rate in (self.configured_per_s, self.told_per_s) if rate is not None]
        return min(known) * (1.0 - self.headroom) * self.scale if known else None


def configure(quota: Quota, per_minute: int | None, headroom: float, now_s: float) -> Quota:
    """Take over the limit that an administrator set; None where there is none."""
    per_s = None if per_minute is None else per_minute / WINDOW_S
    return _known(replace(quota, configured_per_s=per_s, headroom=headroom), now_s)


def ready_s(quota: Quota, amount: float, now_s: float) -> float:
    """Return the instant at which `amount` may be taken.

    At the end of a window some of it is there in any case, whatever the bucket says.
    """
    if quota.bucket is None:
        return now_s
    at_s, ends_at_s = buckets.ready_s(quota.bucket, amount, now_s), quota.window.ends_at_s
    if ends_at_s is None or ends_at_s != quota.bucket.at_s or quota.bucket.level < 0:
        return at_s
    return min(at_s, max(now_s, ends_at_s))


def take(quota: Quota, amount: float, now_s: float) -> Quota:
    """Reserve `amount`."""
    bucket = quota.bucket and buckets.take(quota.bucket, amount, now_s)
    return replace(quota, taken=quota.taken + amount, bucket=bucket)


def give(quota: Quota, amount: float, now_s: float) -> Quota:
    """Pay back (below zero: charge) what the reservation was off by."""
    if quota.bucket is None or not amount:
        return quota
    return replace(quota, bucket=buckets.give(quota.bucket, amount, now_s))


def observe(
    quota: Quota, told: ObservedLimit, sent_at_s: float, taken_then: float, now_s: float
) -> Quota:
    """Believe the headers of a response to a request that was sent at `sent_at_s`.

    `taken_then` is what `taken` was at that time, the request itself included.
    """
    if told.reset_s is not None and told.reset_s > WINDOW_S + RESET_TOLERANCE_S:
        # It is a limit per hour or day, which says nothing of this minute.
        return _known(replace(quota, told_per_s=None, window=Window()), now_s)
    if told.limit is not None and told.limit > 0:
        quota = _known(replace(quota, told_per_s=told.limit / WINDOW_S), now_s)
    bucket = quota.bucket
    if bucket is None or told.remaining is None:
        return quota
    if windows.is_over(quota.window, told, sent_at_s, now_s):
        return quota
    quota = replace(quota, window=windows.seen(quota.window, told, now_s))
    may_lift, ends_at_s = _may_lift(quota, told, now_s), quota.window.ends_at_s
    earns_at_s = max(now_s, ends_at_s) if may_lift and ends_at_s is not None else now_s
    since = max(0.0, quota.taken - taken_then)
    # As if it had been counted when the request was sent; where it was counted later, what was
    # earned and what was taken in between cancel out.
    earned = bucket.rate_per_s * (now_s - sent_at_s) if earns_at_s == now_s else 0.0
    level = min(buckets.level(bucket, now_s), max(0.0, told.remaining + earned - since))
    if may_lift:
        # One request may have overtaken another on the way, and not be counted yet.
        kept = quota.headroom * (told.limit or 0) + HEADROOM_S * bucket.rate_per_s + bucket.largest
        level = max(level, min(told.remaining - since - kept, bucket.rate_per_s * WINDOW_S))
    return replace(quota, bucket=buckets.at_level(bucket, level, earns_at_s))


def refused(quota: Quota, sent_at_s: float, now_s: float) -> Quota:
    """Go a little slower than what is known, after a 429 to a request that was sent at `sent_at_s`.

    This happens at most once a second. A request that was sent before the limit was known says
    nothing.
    """
    if sent_at_s < quota.known_at_s:
        return quota
    bucket = quota.bucket and buckets.earning(quota.bucket, now_s)
    quota = replace(quota, distrusted_until_s=now_s + DISTRUST_S, window=Window(), bucket=bucket)
    if quota.bucket is None or now_s < quota.scaled_at_s + REFUSED_PAUSE_S:
        return quota
    scale = max(SCALE_MIN, quota.scale * REFUSED_FACTOR)
    return _rated(replace(quota, scale=scale, scaled_at_s=now_s), now_s)


def recovered(quota: Quota, now_s: float) -> Quota:
    """Give back a little of what refusals took away, after an answer."""
    if quota.scale >= 1.0 or now_s < quota.scaled_at_s + REFUSED_PAUSE_S:
        return quota
    scale = min(1.0, quota.scale + RECOVERY_PER_S * min(now_s - quota.scaled_at_s, WINDOW_S))
    return _rated(replace(quota, scale=scale, scaled_at_s=now_s), now_s)


def closed_until_s(quota: Quota, amount: float) -> float:
    """Return the end of the window if that is used up; an instant in the past if it is not."""
    if quota.bucket is None or quota.bucket.level >= buckets.reservation(quota.bucket, amount):
        return -math.inf
    return quota.bucket.at_s


def _may_lift(quota: Quota, told: ObservedLimit, now_s: float) -> bool:
    """Return whether `remaining` may be spent at once.

    It may if it is a window's, or if limit and reset agree that it is this minute's; and only if
    the administrator did not set less than the provider allows.
    """
    if told.limit is None or told.remaining is None or told.reset_s is None:
        return False
    configured = quota.configured_per_s
    if now_s < quota.distrusted_until_s or (
        configured is not None and configured * WINDOW_S < told.limit
    ):
        return False
    if quota.window.ends_at_s is not None:
        return True
    used = told.limit - told.remaining
    reset_s = max(0.0, told.reset_s - RESET_TOLERANCE_S)
    return reset_s * told.limit <= 2 * WINDOW_S * used or reset_s == 0.0


def _known(quota: Quota, now_s: float) -> Quota:
    """Let the bucket follow a limit that may have changed."""
    rate_per_s = quota.rate_per_s
    if quota.bucket is not None and quota.bucket.rate_per_s == rate_per_s:
        return quota
    return _rated(replace(quota, known_at_s=now_s), now_s)


def _rated(quota: Quota, now_s: float) -> Quota:
    """Let the bucket follow the rate as it is known now."""
    rate_per_s = quota.rate_per_s
    if rate_per_s is None:
        return replace(quota, bucket=None)
    if quota.bucket is None:
        return replace(quota, bucket=buckets.full(rate_per_s, now_s))
    return replace(quota, bucket=buckets.at_rate(quota.bucket, rate_per_s, now_s))
