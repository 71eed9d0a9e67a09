"""Whether the next request to an account may go: breaker, rate and tokens, permits, as one value.

Everything that changes it is a function from the value and a time to the next value. Who is next
is `core/fair.py`'s; who waits, and for what, is `inference/gate.py`'s.
"""

import math
from dataclasses import dataclass, replace
from enum import Enum, auto

from capscan.core import aimd, learned_rate, quota
from capscan.core import breaker as breakers
from capscan.core.aimd import Permits
from capscan.core.breaker import Breaker
from capscan.core.learned_rate import LearnedRate
from capscan.core.quota import Quota
from capscan.model import Limits, ObservedLimits, Usage
from capscan.model.completion import NO_USAGE
from capscan.model.provider import ApiProtocol, Circuit, CircuitBreaker

BACKOFF_S = 1.0
BACKOFF_S_MAX = 60.0
"""After 429s that do not say how long to wait."""
CALIBRATION_WEIGHT = 0.2
CALIBRATION_MIN, CALIBRATION_MAX = 0.05, 20.0
FAILURES_BY_CHANCE = 2
"""Among the requests that the breaker looks at; with more, the limit may be falling already."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an administrator set for the account."""

    protocol: ApiProtocol
    limits: Limits
    adaptive: bool
    breaker: CircuitBreaker


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens of one request, as far as is known before it is sent."""

    input_tokens: int = 0
    output_tokens_max: int = 0


class Outcome(Enum):
    """What a request that came back says of the provider."""

    ANSWERED = auto()
    DECLINED = auto()
    """It is there and answers, but did no work that would say how much it can take."""
    REFUSED = auto()
    OVERLOADED = auto()
    FAILED = auto()
    ABANDONED = auto()
    """Nobody waited for the answer."""


_FAILURES = (Outcome.OVERLOADED, Outcome.FAILED)


@dataclass(frozen=True, slots=True)
class Sample:
    """How one request ended."""

    outcome: Outcome
    usage: Usage = NO_USAGE
    observed: ObservedLimits | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Permit:
    """What a request that was let through holds, and what was true when it went."""

    sent_at_s: float
    estimate: Estimate
    input_cost: float
    output_cost: float
    taken: tuple[float, float, float]
    openings: int
    probe: bool


@dataclass(frozen=True, slots=True)
class Admission:
    """The state of one account."""

    rules: Rules
    permits: Permits
    breaker: Breaker
    requests: Quota
    input_tokens: Quota
    output_tokens: Quota
    learned: LearnedRate
    in_flight: int = 0
    permits_good: float = aimd.START
    """The limit before what fails now began to fail."""
    closed_until_s: float = -math.inf
    closed_at_s: float = -math.inf
    backoff_s: float = BACKOFF_S
    input_factor: float | None = None
    """Actual tokens per estimated one; None before the first answer."""
    output_factor: float | None = None
    input_cost_mean: float = 0.0
    output_cost_mean: float = 0.0


def opened(rules: Rules, now_s: float) -> Admission:
    """An account nobody has asked yet."""
    limits = rules.limits
    rates = (
        limits.requests_per_minute,
        limits.input_tokens_per_minute,
        limits.output_tokens_per_minute,
    )
    known = any(rate is not None for rate in rates)
    learned = LearnedRate() if known else learned_rate.starting(now_s)
    state = Admission(rules, Permits(), Breaker(), Quota(), Quota(), Quota(), learned)
    return configured(state, rules, now_s)


def configured(state: Admission, rules: Rules, now_s: float) -> Admission:
    """Go on under other rules; what was learnt is kept."""
    limits = rules.limits
    headroom = limits.headroom_percent / 100
    most = limits.max_in_flight
    if most is not None:
        most = max(1, int(most * (1 - headroom)))
    permits = aimd.configure(state.permits, most, adaptive=rules.adaptive)
    return replace(
        state,
        rules=rules,
        permits=permits,
        permits_good=min(state.permits_good, permits.limit_max),
        requests=quota.configure(state.requests, limits.requests_per_minute, headroom, now_s),
        input_tokens=quota.configure(
            state.input_tokens, limits.input_tokens_per_minute, headroom, now_s
        ),
        output_tokens=quota.configure(
            state.output_tokens, limits.output_tokens_per_minute, headroom, now_s
        ),
    )


def ready_s(state: Admission, estimate: Estimate, now_s: float) -> float:
    """The instant at which a request may go: `now_s` if at once, infinite if not before another
    one comes back.
    """
    if state.in_flight >= state.permits.count:
        return math.inf
    input_cost, output_cost = costs(state, estimate)
    return max(
        breakers.ready_s(state.breaker, now_s),
        state.closed_until_s,
        quota.ready_s(state.requests, 1.0, now_s),
        quota.ready_s(state.input_tokens, input_cost, now_s),
        quota.ready_s(state.output_tokens, output_cost, now_s),
        learned_rate.ready_s(state.learned, now_s),
    )


def admitted(state: Admission, estimate: Estimate, now_s: float) -> tuple[Admission, Permit]:
    """A request goes; the permit is to be handed to `returned`."""
    input_cost, output_cost = costs(state, estimate)
    state = replace(
        state,
        in_flight=state.in_flight + 1,
        breaker=breakers.admitted(state.breaker),
        requests=quota.take(state.requests, 1.0, now_s),
        input_tokens=quota.take(state.input_tokens, input_cost, now_s),
        output_tokens=quota.take(state.output_tokens, output_cost, now_s),
        learned=learned_rate.admitted(state.learned, now_s),
        input_cost_mean=_mean(state.input_cost_mean or input_cost, input_cost),
        output_cost_mean=_mean(state.output_cost_mean or output_cost, output_cost),
    )
    permit = Permit(
        sent_at_s=now_s,
        estimate=estimate,
        input_cost=input_cost,
        output_cost=output_cost,
        taken=(state.requests.taken, state.input_tokens.taken, state.output_tokens.taken),
        openings=state.breaker.openings,
        probe=state.breaker.circuit is Circuit.HALF_OPEN,
    )
    return state, permit


def returned(state: Admission, permit: Permit, sample: Sample, now_s: float) -> Admission:
    """A request came back: its permit is free, and what it said is believed."""
    state = _settled(state, permit, sample, now_s)
    state = _observed(state, permit, sample.observed, now_s)
    if sample.outcome is Outcome.REFUSED:
        state = _refused(state, permit, sample, now_s)
    elif sample.outcome in (Outcome.ANSWERED, Outcome.DECLINED):
        state = _recovered(state, permit, now_s)
    state = _judged(state, permit, sample.outcome, now_s)
    return replace(state, in_flight=state.in_flight - 1)


def costs(state: Admission, estimate: Estimate) -> tuple[float, float]:
    """Tokens to reserve of the input and of the output limit.

    OpenAI and Azure charge prompt and max_tokens together, when the request comes; Anthropic
    charges what was used, so the reservation is what such requests used lately.
    """
    input_cost = estimate.input_tokens * _factor(state.input_factor)
    output_cost = estimate.output_tokens_max * _factor(state.output_factor)
    if state.rules.protocol is ApiProtocol.OPENAI:
        input_cost += estimate.output_tokens_max
    return input_cost, output_cost


def requests_per_s(state: Admission) -> float | None:
    """By the limit on requests, or what refusals taught; None where neither is known."""
    known = (state.requests.rate_per_s, state.learned.rate_per_s)
    return min((rate for rate in known if rate is not None), default=None)


def items_per_s(state: Admission) -> float | None:
    """By all limits, for requests as they were lately."""
    limits = (
        (requests_per_s(state), 1.0),
        (state.input_tokens.rate_per_s, state.input_cost_mean),
        (state.output_tokens.rate_per_s, state.output_cost_mean),
    )
    return min((rate / cost for rate, cost in limits if rate is not None and cost), default=None)


def closed_until_s(state: Admission) -> float:
    """Before then nothing is let through at all, as far as is known."""
    return max(state.closed_until_s, state.breaker.until_s)


def _settled(state: Admission, permit: Permit, sample: Sample, now_s: float) -> Admission:
    """Correct the reservation, and the next estimates, by what was used."""
    if sample.outcome is Outcome.REFUSED:
        return replace(
            state,
            requests=quota.give(state.requests, 1.0, now_s),
            input_tokens=quota.give(state.input_tokens, permit.input_cost, now_s),
            output_tokens=quota.give(state.output_tokens, permit.output_cost, now_s),
        )
    usage, estimate = sample.usage, permit.estimate
    if not usage.output_tokens or not usage.input_tokens:
        return state
    # A repaired answer took several requests; what one takes is what is reserved.
    per = max(1, usage.requests)
    state = replace(
        state,
        input_factor=_calibrated(
            state.input_factor, usage.input_tokens / per, estimate.input_tokens
        ),
        output_factor=_calibrated(
            state.output_factor, usage.output_tokens / per, estimate.output_tokens_max
        ),
        output_tokens=quota.give(
            state.output_tokens, permit.output_cost - usage.output_tokens, now_s
        ),
    )
    if state.rules.protocol is ApiProtocol.OPENAI:
        return state
    # Prompt tokens from the cache do not count against Anthropic's limit.
    charged = usage.input_tokens - usage.cached_input_tokens
    unused = permit.input_cost - charged
    return replace(state, input_tokens=quota.give(state.input_tokens, unused, now_s))


def _observed(
    state: Admission, permit: Permit, observed: ObservedLimits | None, now_s: float
) -> Admission:
    if observed is None:
        return state
    told = (observed.requests, observed.input_tokens, observed.output_tokens)
    before = (state.requests, state.input_tokens, state.output_tokens)
    requests, input_tokens, output_tokens = (
        each if limit is None else quota.observe(each, limit, permit.sent_at_s, taken, now_s)
        for each, limit, taken in zip(before, told, permit.taken, strict=True)
    )
    return replace(state, requests=requests, input_tokens=input_tokens, output_tokens=output_tokens)


def _refused(state: Admission, permit: Permit, sample: Sample, now_s: float) -> Admission:
    """Close for everybody, and go slower afterwards."""
    asked_s = sample.retry_after_s
    again = permit.sent_at_s > state.closed_at_s
    if asked_s is not None and math.isfinite(asked_s) and asked_s > 0:
        until_s, backoff_s = now_s + asked_s, state.backoff_s
    elif again:
        until_s, backoff_s = now_s + state.backoff_s, min(2 * state.backoff_s, BACKOFF_S_MAX)
    else:
        until_s, backoff_s = state.closed_until_s, state.backoff_s
    state = replace(
        state,
        closed_until_s=max(state.closed_until_s, until_s),
        closed_at_s=now_s if again else state.closed_at_s,
        backoff_s=backoff_s,
    )
    if any(each.told_per_s for each in (state.requests, state.input_tokens, state.output_tokens)):
        return replace(
            state,
            requests=quota.refused(state.requests, now_s),
            input_tokens=quota.refused(state.input_tokens, now_s),
            output_tokens=quota.refused(state.output_tokens, now_s),
            learned=LearnedRate(),
        )
    pause_s = 0.0 if asked_s else max(0.0, until_s - now_s)
    learned = learned_rate.refused(state.learned, permit.sent_at_s, now_s, pause_s)
    return replace(state, learned=learned)


def _recovered(state: Admission, permit: Permit, now_s: float) -> Admission:
    reopened = permit.sent_at_s >= state.closed_until_s
    return replace(
        state,
        backoff_s=BACKOFF_S if reopened else state.backoff_s,
        requests=quota.recovered(state.requests, now_s),
        input_tokens=quota.recovered(state.input_tokens, now_s),
        output_tokens=quota.recovered(state.output_tokens, now_s),
        learned=learned_rate.on_success(state.learned, now_s),
    )


def _judged(state: Admission, permit: Permit, outcome: Outcome, now_s: float) -> Admission:
    """Feed the breaker or, where that has nothing to say, the limit of permits."""
    if permit.openings != state.breaker.openings:
        # What was sent before the circuit opened says nothing of what is now.
        return state
    if permit.probe:
        return _probed(state, permit, outcome, now_s)
    if outcome in (Outcome.REFUSED, Outcome.ABANDONED):
        return state
    failed = outcome in _FAILURES
    breaker = breakers.on_result(state.breaker, state.rules.breaker, failed=failed, now_s=now_s)
    if breaker.circuit is Circuit.OPEN:
        # What it saw must not have cut the limit as well.
        permits = aimd.restarted(state.permits, state.permits_good)
        return replace(state, breaker=breaker, permits=permits)
    permits = _fed(state, permit, outcome, now_s)
    chance = breaker.failures <= FAILURES_BY_CHANCE and not permits.ramping
    good = permits.limit if chance else state.permits_good
    return replace(state, breaker=breaker, permits=permits, permits_good=good)


def _probed(state: Admission, permit: Permit, outcome: Outcome, now_s: float) -> Admission:
    """Even a 429 shows that the provider is there."""
    if outcome is Outcome.ABANDONED:
        return replace(state, breaker=breakers.on_abandoned(state.breaker, now_s))
    failed = outcome in _FAILURES
    breaker = breakers.on_probe(state.breaker, state.rules.breaker, failed=failed, now_s=now_s)
    if failed:
        return replace(state, breaker=breaker)
    return replace(state, breaker=breaker, permits=_fed(state, permit, outcome, now_s))


def _fed(state: Admission, permit: Permit, outcome: Outcome, now_s: float) -> Permits:
    if outcome is Outcome.ANSWERED:
        return aimd.on_success(state.permits, state.in_flight, permit.sent_at_s, now_s)
    if outcome is Outcome.OVERLOADED:
        return aimd.on_overload(state.permits, state.in_flight, permit.sent_at_s, now_s)
    return state.permits


def _factor(known: float | None) -> float:
    return 1.0 if known is None else known


def _calibrated(known: float | None, actual: float, estimated: int) -> float | None:
    if estimated <= 0:
        return known
    factor = max(CALIBRATION_MIN, min(actual / estimated, CALIBRATION_MAX))
    return factor if known is None else _mean(known, factor)


def _mean(mean: float, newest: float) -> float:
    """An exponentially weighted moving average."""
    return mean + CALIBRATION_WEIGHT * (newest - mean)
