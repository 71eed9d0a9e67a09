"""Whether the next request to an account may go: breaker, rate and tokens, permits, as one value.

What a request that came back teaches is decided in `feedback.py`, and who is next in `fair.py`. The
waiting itself happens in `inference/accounts/gate.py`.
"""

import math
from dataclasses import dataclass, field, replace

from capscan.core.limits import aimd, learned_rate, quota
from capscan.core.limits import breaker as breakers
from capscan.core.limits.aimd import Permits
from capscan.core.limits.breaker import Breaker
from capscan.core.limits.learned_rate import LearnedRate
from capscan.core.limits.quota import Quota
from capscan.model import Limits
from capscan.model.provider import ApiProtocol, Circuit, CircuitBreaker

MEAN_WEIGHT = 0.2
"""Of the newest value in a moving average."""
BACKOFF_S = 1.0
"""After a 429 that does not say how long to wait; it doubles."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an administrator set for the account."""

    protocol: ApiProtocol
    limits: Limits
    adaptive: bool
    breaker: CircuitBreaker


@dataclass(frozen=True, slots=True)
class TokenEstimate:
    """Tokens of one request, as far as is known before it is sent."""

    input_tokens: int = 0
    output_tokens_max: int = 0


@dataclass(frozen=True, slots=True)
class Permit:
    """What a request that was let through holds, and what was true when it went."""

    sent_at_s: float
    estimate: TokenEstimate
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
    permits_good: Permits = field(default_factory=Permits)
    """As they were before what fails now began to fail."""
    closed_until_s: float = -math.inf
    closed_at_s: float = -math.inf
    backoff_s: float = BACKOFF_S
    healthy_at_s: float = -math.inf
    """When the newest of those requests was sent that the provider could answer."""
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
    permits, good = (
        aimd.configure(each, most, adaptive=rules.adaptive)
        for each in (state.permits, state.permits_good)
    )
    return replace(
        state,
        rules=rules,
        permits=permits,
        permits_good=good,
        requests=quota.configure(state.requests, limits.requests_per_minute, headroom, now_s),
        input_tokens=quota.configure(
            state.input_tokens, limits.input_tokens_per_minute, headroom, now_s
        ),
        output_tokens=quota.configure(
            state.output_tokens, limits.output_tokens_per_minute, headroom, now_s
        ),
    )


def ready_s(state: Admission, estimate: TokenEstimate, now_s: float) -> float:
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


def admitted(state: Admission, estimate: TokenEstimate, now_s: float) -> tuple[Admission, Permit]:
    """A request goes; the permit is to be handed to `feedback.returned`."""
    input_cost, output_cost = costs(state, estimate)
    state = replace(
        state,
        in_flight=state.in_flight + 1,
        breaker=breakers.admitted(state.breaker),
        requests=quota.take(state.requests, 1.0, now_s),
        input_tokens=quota.take(state.input_tokens, input_cost, now_s),
        output_tokens=quota.take(state.output_tokens, output_cost, now_s),
        learned=learned_rate.admitted(state.learned, now_s),
        input_cost_mean=moved(state.input_cost_mean or input_cost, input_cost),
        output_cost_mean=moved(state.output_cost_mean or output_cost, output_cost),
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


def costs(state: Admission, estimate: TokenEstimate) -> tuple[float, float]:
    """Tokens to reserve of the input and of the output limit.

    OpenAI and Azure charge prompt and max_tokens together, when the request comes; Anthropic
    charges what was used, so the reservation is what such requests used lately.
    """
    input_cost = estimate.input_tokens * _factor(state.input_factor)
    output_cost = estimate.output_tokens_max * _factor(state.output_factor)
    if state.rules.protocol is ApiProtocol.OPENAI:
        input_cost += estimate.output_tokens_max
    return input_cost, output_cost


def permits_soon(state: Admission) -> int:
    """What permits are on their way back to; 0 where they are on no such way."""
    return int(state.permits.threshold) if state.permits.ramping else 0


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
    return max(
        state.closed_until_s,
        state.breaker.until_s,
        quota.closed_until_s(state.requests, 1.0),
        quota.closed_until_s(state.input_tokens, state.input_cost_mean),
        quota.closed_until_s(state.output_tokens, state.output_cost_mean),
    )


def _factor(known: float | None) -> float:
    return 1.0 if known is None else known


def moved(mean: float, newest: float) -> float:
    """An exponentially weighted moving average."""
    return mean + MEAN_WEIGHT * (newest - mean)
