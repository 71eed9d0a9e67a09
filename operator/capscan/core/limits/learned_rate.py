"""The rate of an account that says nothing but 429.

A refusal that says exactly how long to wait names an instant at which the provider's bucket will
hold one request, whatever its size. So the number of requests let through between two such
instants, over the time between them, is the rate at which that bucket fills. Other refusals only
say that it is empty now, and what it earns in the pause after them may be lost: the next refusal
corrects the guess.
"""

import math
from dataclasses import dataclass, replace

from capscan.core.limits import bucket as buckets
from capscan.core.limits.bucket import Bucket

SPAN_S_MIN = 1.0
"""Shorter spans say little of a rate: a network is late by some hundredths of a second."""
SPAN_S_MAX = 20.0
"""Longer spans, where they do not end exactly, mostly say how much there was to do."""
IDLE_S = 0.25
"""Without a request for so long, the provider's bucket may have been full, and lost what it would
have earned."""
MARGIN = 0.02
"""The share by which the rate stays below what was measured exactly. After a short span, growth
uses the margin up again in twice that span: the next refusal costs a call and no time, and its span
is longer."""
MEASURED_GROWTH_PER_S = 0.0005
"""Growth of a rate that was measured over a long span."""
GROWTH_PER_S = 0.001
"""Growth of a rate that was guessed."""
HASTY_GROWTH_PER_S = 0.5
"""Growth after a refusal that said how long to wait, but came too soon for a rate."""
GROWTH_DOUBLES_S = 20.0
"""The time without a refusal in which growth doubles. A guess that was far too low is left behind
in minutes; one that was right is not exceeded for as long."""
GROWTH_PER_S_MAX = 0.1
"""The growth up to which it doubles."""
FASTEST_AFTER_REFUSAL = 0.97
SLOWEST_AFTER_REFUSAL = 0.5
SLOWEST_IF_EVEN = 0.95
PAUSE_SHARE = 1.05
"""The bounds of the rate after one more refusal, as shares of the rate before."""
EARNED_SHARE = 0.25
"""The share that is taken to be there of what the provider's bucket earned in a pause: the first
guess of the rate may be several times too high."""
SEARCH_GROWTH_PER_S = 0.7
"""Growth after the first refusal where no burst told the rate."""
SEARCH_SHARE = 0.2
"""The share of its steps that is left of the growth after each refusal, while a rate is searched
for which no burst tells."""
SEARCHED_GROWTH_PER_S = 0.015
"""With smaller steps it is found."""
FEW = 2
"""A guess from fewer requests is none: the rate grows quickly until the next refusal."""
CERTAIN = 10
"""The number of requests that make a guess certain; one from fewer is left behind faster."""
RATE_MIN_PER_S = 1.0 / 60.0
FIRST_PER_S = 1.0
"""The least rate after a single refusal: one refusal says that it was too fast, and not how slow it
should be. The next ones say that."""
START_PER_S = 40.0
"""The rate until the first answer: a refusal of the first request should come before all have been
sent."""


@dataclass(frozen=True, slots=True)
class LearnedRate:
    """The rate of requests that refusals taught, and what the next one is measured by."""

    bucket: Bucket | None = None
    """None: there is no limit, since answers come and nothing was refused."""
    since_s: float = math.inf
    """The beginning of the span in which requests are counted."""
    exact: bool = False
    """Whether the provider's bucket held exactly one request at that beginning."""
    let_through: int = 0
    """Requests let through since then, without those that were refused."""
    growth_per_s: float = GROWTH_PER_S
    """The share by which the rate grows each second at first, after the newest refusal."""
    grown_at_s: float = -math.inf
    refused_at_s: float = -math.inf
    searching: bool = False
    """Whether the rate grows in large steps, since no burst told it."""
    even: bool = False
    """Whether the provider refused the second of two requests that came close together: then no
    request makes up for a pause."""
    guess: "Guess | None" = None
    """What the newest refusal said; None where it was exact."""

    @property
    def rate_before_step(self) -> float:
        """The rate before it grew for the last time, while it is searched for."""
        return (self.rate_per_s or 0.0) / (1.0 + self.growth_per_s)

    @property
    def rate_per_s(self) -> float | None:
        """The rate that refusals taught; None where nothing was refused."""
        return self.bucket.rate_per_s if self.bucket and self.refused_at_s > -math.inf else None


@dataclass(frozen=True, slots=True)
class Guess:
    """What the newest refusal said where it was not exact; others of its volley correct it."""

    let_through: int
    span_s: float
    slowest_per_s: float = RATE_MIN_PER_S
    fastest_per_s: float = math.inf

    @property
    def rate_per_s(self) -> float:
        """The rate, within what one refusal may change."""
        measured = self.let_through / self.span_s
        return max(self.slowest_per_s, min(measured, self.fastest_per_s))


def starting(now_s: float) -> LearnedRate:
    """Return the rate of an unknown account: START_PER_S until an answer comes."""
    return LearnedRate(buckets.full(START_PER_S, now_s))


def ready_s(learned: LearnedRate, now_s: float) -> float:
    """Return the instant at which one more request may go."""
    return now_s if learned.bucket is None else buckets.ready_s(learned.bucket, 1.0, now_s)


def pause_s(learned: LearnedRate) -> float:
    """Return the longest pause that makes sense after a 429 that does not say how long to wait: the
    time of one request, where the provider takes one after another and its rate is about known.
    """
    rate_per_s = learned.rate_per_s
    known = rate_per_s and learned.let_through > 1 and (learned.even or learned.searching)
    return PAUSE_SHARE / rate_per_s if known and rate_per_s else math.inf


def admitted(learned: LearnedRate, now_s: float) -> LearnedRate:
    """Let a request go, and count it."""
    span_s = now_s - learned.since_s
    since_s, exact, count = learned.since_s, learned.exact, learned.let_through
    if exact and learned.bucket and buckets.idle_s(learned.bucket, now_s) > IDLE_S:
        since_s, exact, count = now_s, False, 0
    elif not exact and not -math.inf < span_s <= 2 * SPAN_S_MAX:
        since_s, count = now_s, 0
    elif not exact and span_s > SPAN_S_MAX:
        since_s, count = now_s - span_s / 2, count // 2
    bucket = learned.bucket and buckets.take(learned.bucket, 1.0, now_s)
    if bucket and learned.even:
        bucket = buckets.at_level(bucket, min(bucket.level, 0.0), bucket.at_s)
    return replace(learned, bucket=bucket, since_s=since_s, exact=exact, let_through=count + 1)


def refused_for(learned: LearnedRate, wait_s: float, behind: int, now_s: float) -> LearnedRate:
    """Learn from a 429 without headers that says exactly how long to wait.

    In `wait_s`, and not sooner, there is room for one request. `behind` requests were let through
    after this one.
    """
    if not learned.exact:
        return _counting(learned, wait_s, behind, now_s)
    until_s = now_s + wait_s
    through, span_s = learned.let_through - behind - 1, until_s - learned.since_s
    if through < 0 and learned.let_through:
        return learned
    if through < 0:
        # It was sent before the span began. Until something goes, each refusal tells that anew.
        return replace(learned, since_s=max(learned.since_s, until_s))
    learned = replace(learned, let_through=learned.let_through - 1)
    if learned.bucket is None or not through or span_s <= 0:
        return learned
    measured = (1.0 - MARGIN) * through / span_s
    rate_per_s = max(RATE_MIN_PER_S, min(measured, learned.bucket.rate_per_s))
    certain = span_s >= SPAN_S_MIN
    if certain or learned.guess:
        # Requests that were under way together at the first refusal may be miscounted.
        learned = replace(learned, since_s=until_s, let_through=behind, guess=None)
    growth_per_s = MEASURED_GROWTH_PER_S if certain else MARGIN / span_s
    return _paced(learned, rate_per_s, growth_per_s, until_s, now_s)


def _counting(learned: LearnedRate, wait_s: float, behind: int, now_s: float) -> LearnedRate:
    """Begin a span with the first refusal of it: there is nothing to measure yet."""
    until_s, rate_per_s, guess = now_s + wait_s, learned.rate_per_s, None
    if rate_per_s is None:
        # An account that waits so long for one request earns no more than that. A rate that is
        # too fast is soon found out.
        guess = _guess(learned, now_s)
        rate_per_s = max(guess.rate_per_s, min(1.0 / wait_s, START_PER_S))
    learned = replace(learned, since_s=until_s, exact=True, let_through=behind, guess=guess)
    return _paced(learned, rate_per_s, HASTY_GROWTH_PER_S, until_s, now_s)


def _paced(
    learned: LearnedRate, rate_per_s: float, growth_per_s: float, until_s: float, now_s: float
) -> LearnedRate:
    """Let one request go at `until_s`, and the others after it at this rate."""
    return replace(
        learned,
        bucket=buckets.at_level(buckets.full(rate_per_s, now_s), 1.0, until_s),
        growth_per_s=growth_per_s,
        grown_at_s=until_s,
        refused_at_s=now_s,
    )


def refused(learned: LearnedRate, sent_at_s: float, now_s: float, pause_s: float) -> LearnedRate:
    """Learn from a 429 without headers that does not say exactly how long to wait.

    Nothing is sent for `pause_s`, while the provider's bucket fills. It is 0 where the provider
    said how long to wait, but in whole seconds.
    """
    if learned.guess is not None and sent_at_s <= learned.refused_at_s:
        guess = replace(learned.guess, let_through=learned.guess.let_through - 1)
    else:
        guess = _guess(learned, now_s)
        doubt = max(1.0, CERTAIN / max(1, guess.let_through))
        growth_per_s = GROWTH_PER_S * doubt
        before = learned.rate_per_s or 0.0
        even = learned.even
        few = pause_s > 0 and guess.let_through < FEW and guess.span_s <= SPAN_S_MIN
        if learned.searching:
            # It was found within the newest step, whatever the mean since the search began.
            even, slowest = True, learned.rate_before_step
            growth_per_s = max(GROWTH_PER_S, learned.growth_per_s * SEARCH_SHARE)
            guess = replace(guess, slowest_per_s=max(guess.slowest_per_s, slowest))
        elif even and guess.let_through:
            slowest = SLOWEST_IF_EVEN * before
            guess = replace(guess, slowest_per_s=max(guess.slowest_per_s, slowest))
        elif few or (not pause_s and guess.span_s <= SPAN_S_MIN):
            growth_per_s = SEARCH_GROWTH_PER_S if few else HASTY_GROWTH_PER_S
        learned = replace(
            learned,
            since_s=now_s + pause_s if even else now_s,
            exact=False,
            even=even,
            searching=(few or learned.searching) and growth_per_s >= SEARCHED_GROWTH_PER_S,
            let_through=0,
            refused_at_s=now_s,
            growth_per_s=growth_per_s,
            grown_at_s=now_s,
        )
    rate_per_s = guess.rate_per_s
    bucket = buckets.full(rate_per_s, now_s)
    earned = 0.0 if learned.even else pause_s * rate_per_s * EARNED_SHARE
    return replace(
        learned, guess=guess, bucket=buckets.at_level(bucket, max(bucket.level, earned), now_s)
    )


def on_success(learned: LearnedRate, now_s: float) -> LearnedRate:
    """Go a little faster after an answer; where little is known, at most once a second."""
    if learned.rate_per_s is None:
        return replace(learned, bucket=None)
    since_s = now_s - learned.grown_at_s
    if learned.bucket is None or since_s <= 0 or not (learned.exact or since_s >= 1.0):
        return learned
    growth = _growth_per_s(learned, now_s) * min(since_s, 1.0)
    bucket = buckets.at_rate(learned.bucket, learned.bucket.rate_per_s * (1.0 + growth), now_s)
    return replace(learned, bucket=bucket, grown_at_s=now_s)


def _growth_per_s(learned: LearnedRate, now_s: float) -> float:
    doublings = min((now_s - learned.refused_at_s) / GROWTH_DOUBLES_S, 10.0)
    if learned.searching:
        return learned.growth_per_s
    doubled = min(GROWTH_PER_S_MAX, learned.growth_per_s * math.pow(2.0, doublings))
    return max(learned.growth_per_s, doubled)


def _guess(learned: LearnedRate, now_s: float) -> Guess:
    let_through = max(0, learned.let_through - 1)
    span_s = max(SPAN_S_MIN, now_s - learned.since_s)
    before = learned.rate_per_s
    if before is None:
        return Guess(let_through, span_s, FIRST_PER_S)
    slowest = max(RATE_MIN_PER_S, SLOWEST_AFTER_REFUSAL * before)
    fastest = max(slowest, FASTEST_AFTER_REFUSAL * before)
    return Guess(let_through, span_s, slowest, fastest)
