"""The rate of an account that says nothing but 429.

At a refusal the provider's bucket is empty, whatever its size. So what was let through between two
refusals, over the time between them, is the rate at which it fills. The first refusal has nothing
to be compared with: its guess takes the burst for rate, and the second one corrects it.
"""

import math
from dataclasses import dataclass, replace

from capscan.core import bucket as buckets
from capscan.core.bucket import Bucket

SPAN_S_MIN = 1.0
"""Shorter spans say nothing of a rate."""
SPAN_S_MAX = 20.0
"""Longer ones are mostly about how much there was to do."""
FASTEST_AFTER_REFUSAL = 0.97
SLOWEST_AFTER_REFUSAL = 0.5
GROWTH_PER_S = 0.001
GROWTH_DOUBLES_S = 20.0
"""Growth is slow at first, and faster the longer no refusal comes: a guess that was far too low
is left behind in minutes, one that was right is not exceeded for as long."""
EARNED_SHARE = 0.25
"""Of what a pause let the provider's bucket fill by: the first guess may be several times
too high."""
RAMP_PER_S = 0.5
"""Growth after a refusal that said how long to wait and came within SPAN_S_MIN of the one before:
what went in between says little of the rate, and finding out costs a call and no time. Every
further refusal makes the steps smaller."""
CERTAIN = 10
"""What fewer requests taught is left behind faster."""
RATE_MIN_PER_S = 1.0 / 60.0
START_PER_S = 40.0
"""Until the first answer: a refusal of the first request should come before all have been sent."""


@dataclass(frozen=True, slots=True)
class LearnedRate:
    """No bucket, no limit: answers come, and nothing was refused without saying why."""

    bucket: Bucket | None = None
    since_s: float = math.inf
    """Begin of the span in which is counted: the newest refusal, or later."""
    let_through: int = 0
    grown_at_s: float = -math.inf
    refused_at_s: float = -math.inf
    guess: "Guess | None" = None

    @property
    def rate_per_s(self) -> float | None:
        """What refusals taught; None where nothing did."""
        return self.bucket.rate_per_s if self.bucket and self.guess else None


@dataclass(frozen=True, slots=True)
class Guess:
    """What the newest refusal said; others sent before it was known correct it."""

    let_through: int
    span_s: float
    slowest_per_s: float
    fastest_per_s: float
    number: int = 1
    """Counted from the first refusal."""
    hasty: bool = False
    """It came too soon to say how fast is too fast, and cheaply."""

    @property
    def rate_per_s(self) -> float:
        """Within what one refusal may change."""
        measured = self.let_through / self.span_s
        return max(self.slowest_per_s, min(measured, self.fastest_per_s))


def starting(now_s: float) -> LearnedRate:
    """Nothing is known of the account: feel the way."""
    return LearnedRate(buckets.full(START_PER_S, now_s))


def ready_s(learned: LearnedRate, now_s: float) -> float:
    """The instant at which one more request may go."""
    return now_s if learned.bucket is None else buckets.ready_s(learned.bucket, 1.0, now_s)


def admitted(learned: LearnedRate, now_s: float) -> LearnedRate:
    """A request goes."""
    span_s = now_s - learned.since_s
    since_s, count = learned.since_s, learned.let_through
    if not -math.inf < span_s <= 2 * SPAN_S_MAX:
        since_s, count = now_s, 0
    elif span_s > SPAN_S_MAX:
        since_s, count = now_s - span_s / 2, count // 2
    bucket = learned.bucket and buckets.take(learned.bucket, 1.0, now_s)
    return replace(learned, bucket=bucket, since_s=since_s, let_through=count + 1)


def refused(learned: LearnedRate, sent_at_s: float, now_s: float, pause_s: float) -> LearnedRate:
    """A 429 without headers; nothing is sent for `pause_s`, while the provider's bucket fills: 0
    where it said itself how long to wait, which is until there is room for one request.
    """
    if learned.guess is not None and sent_at_s <= learned.refused_at_s:
        guess = replace(learned.guess, let_through=learned.guess.let_through - 1)
    else:
        guess = _guess(learned, now_s)
        guess = replace(guess, hasty=not pause_s and guess.span_s <= SPAN_S_MIN)
        learned = replace(
            learned, since_s=now_s, let_through=0, refused_at_s=now_s, grown_at_s=now_s
        )
    rate_per_s = guess.rate_per_s
    bucket = buckets.full(rate_per_s, now_s)
    earned = pause_s * rate_per_s * EARNED_SHARE
    return replace(
        learned, guess=guess, bucket=buckets.at_level(bucket, max(bucket.level, earned), now_s)
    )


def on_success(learned: LearnedRate, now_s: float) -> LearnedRate:
    """An answer came: a little faster, once a second."""
    if learned.guess is None:
        return replace(learned, bucket=None)
    if learned.bucket is None or now_s < learned.grown_at_s + 1.0:
        return learned
    growth = _growth_per_s(learned.guess, now_s - learned.refused_at_s)
    bucket = buckets.at_rate(learned.bucket, learned.bucket.rate_per_s * (1.0 + growth), now_s)
    return replace(learned, bucket=bucket, grown_at_s=now_s)


def _growth_per_s(guess: Guess, quiet_s: float) -> float:
    if guess.hasty:
        return RAMP_PER_S / guess.number
    doubt = max(1.0, CERTAIN / max(1, guess.let_through))
    doublings = min(quiet_s, 10 * GROWTH_DOUBLES_S) / GROWTH_DOUBLES_S
    return min(0.1, doubt * GROWTH_PER_S * math.pow(2.0, doublings))


def _guess(learned: LearnedRate, now_s: float) -> Guess:
    let_through = max(0, learned.let_through - 1)
    span_s = max(SPAN_S_MIN, now_s - learned.since_s)
    if learned.bucket is None or learned.guess is None:
        return Guess(let_through, span_s, RATE_MIN_PER_S, math.inf)
    before = learned.bucket.rate_per_s
    slowest = max(RATE_MIN_PER_S, SLOWEST_AFTER_REFUSAL * before)
    fastest = max(slowest, FASTEST_AFTER_REFUSAL * before)
    return Guess(let_through, span_s, slowest, fastest, learned.guess.number + 1)
