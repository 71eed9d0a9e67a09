"""When the next request to an account may go: breaker, limits and permits, as one frozen value.

What a request that came back teaches is decided in `feedback.py`, and who is next in `fair.py`. The
waiting itself happens in `inference/accounts/gate.py`.
"""

import math
from dataclasses import dataclass, field, replace

from capscan.core.limits import aimd, learned_rate, quota
from capscan.core.limits import breaker as breakers
from capscan.core.limits.aimd import Permits
from capscan.core.limits.breaker import Breaker
from capscan.core.limits.climb import Climb
from capscan.core.limits.learned_rate import LearnedRate
from capscan.core.limits.quota import Quota
from capscan.model import Limits
from capscan.model.provider import ApiProtocol, Circuit, CircuitBreaker

MEAN_WEIGHT = 0.2
"""The weight of the newest value in a moving average."""
BACKOFF_S = 1.0
"""The pause after a 429 that does not say how long to wait; it doubles with each such 429."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an administrator set for the account."""

    protocol: ApiProtocol
    limits: Limits
    adaptive: bool
    breaker: CircuitBreaker


@dataclass(frozen=True, slots=True)
class TokenEstimate:
    """The tokens of one request, as far as they are known before it is sent."""

    input_tokens: int = 0
    output_tokens_max: int = 0


@dataclass(frozen=True, slots=True)
class Permit:
    """What a request that was let through holds, and what was true when it went."""

    sent_at_s: float
    estimate: TokenEstimate
    input_cost: float
    """Tokens reserved of the limit on input; the same for output."""
    output_cost: float
    taken: tuple[float, float, float]
    """What had been taken of requests, input and output tokens by then, this request included."""
    openings: int
    """How often the circuit had opened by then."""
    level: int
    """How many could be under way at once when it went, and whether that many were."""
    full: bool
    probe: bool
    """Whether it went through an open circuit, to find out whether that can be closed."""


@dataclass(frozen=True, slots=True)
class Admission:
    """All that is known of one account."""

    rules: Rules
    permits: Permits
    breaker: Breaker
    requests: Quota
    input_tokens: Quota
    output_tokens: Quota
    learned: LearnedRate
    climb: Climb | None = None
    """For a server close by, of which nobody knows how many at once it can serve."""
    in_flight: int = 0
    permits_good: Permits = field(default_factory=Permits)
    """The permits as they were before the requests that fail now began to fail."""
    closed_until_s: float = -math.inf
    """The end of the pause that 429s asked for."""
    closed_at_s: float = -math.inf
    """When the newest 429 came that was not one of the volley before it."""
    backoff_s: float = BACKOFF_S
    """The pause after the next 429 that does not say how long to wait."""
    healthy_at_s: float = -math.inf
    """When the newest of the requests was sent that the provider could answer."""
    input_factor: float | None = None
    """Actual tokens per estimated one; None before the first answer. The same for output."""
    output_factor: float | None = None
    input_cost_mean: float = 0.0
    """Tokens that requests reserved lately, on average. The same for output."""
    output_cost_mean: float = 0.0


def opened(rules: Rules, now_s: float) -> Admission:
    """Return the state of an account that nobody has asked yet.

    Where no limit on its rate is set, it feels its way: the first requests go slowly.
    """
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


def climbing(state: Admission) -> Admission:
    """Return the state of a server with few slots, which is asked one at a time at first. One that
    has answered before stays as it is, and one of which it was set how many requests it takes.
    """
    rules, has_answered = state.rules, state.healthy_at_s > -math.inf
    if has_answered or state.climb or not rules.adaptive or rules.limits.max_in_flight is not None:
        return state
    return replace(state, climb=Climb())


def configured(state: Admission, rules: Rules, now_s: float) -> Admission:
    """Return the state under other rules; what was learnt is kept."""
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
    """Return the instant at which a request may go.

    It is `now_s` if the request may go at once, and infinite if it has to wait until another one
    comes back.
    """
    if state.in_flight >= permits_now(state):
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
    """Let a request go. Its permit is to be handed to `feedback.returned` when it comes back."""
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
        level=permits_now(state),
        full=state.in_flight >= permits_now(state),
        probe=state.breaker.circuit is Circuit.HALF_OPEN,
    )
    return state, permit


def costs(state: Admission, estimate: TokenEstimate) -> tuple[float, float]:
    """Return the tokens to reserve of the input and of the output limit.

    OpenAI and Azure charge prompt and max_tokens together, when the request comes; Anthropic
    charges what was used, so the reservation is what such requests used lately.
    """
    input_cost = estimate.input_tokens * _factor(state.input_factor)
    output_cost = estimate.output_tokens_max * _factor(state.output_factor)
    if state.rules.protocol is ApiProtocol.OPENAI:
        input_cost += estimate.output_tokens_max
    return input_cost, output_cost


def permits_now(state: Admission) -> int:
    """Return how many requests may be under way at once."""
    count = state.permits.count
    return count if state.climb is None or state.climb.ended else min(count, state.climb.level)


def permits_soon(state: Admission) -> int:
    """Return the number that permits are on their way back to; 0 where they are on no such way."""
    return int(state.permits.threshold) if state.permits.ramping else 0


def requests_per_s(state: Admission) -> float | None:
    """Return the most requests per second, by the limit on them or by what refusals taught.

    None where neither is known.
    """
    known = (state.requests.rate_per_s, state.learned.rate_per_s)
    return min((rate for rate in known if rate is not None), default=None)


def items_per_s(state: Admission) -> float | None:
    """Return the most requests per second by all limits, if they cost what they did lately.

    None where no limit is known.
    """
    limits = (
        (requests_per_s(state), 1.0),
        (state.input_tokens.rate_per_s, state.input_cost_mean),
        (state.output_tokens.rate_per_s, state.output_cost_mean),
    )
    return min((rate / cost for rate, cost in limits if rate is not None and cost), default=None)


def closed_until_s(state: Admission) -> float:
    """Return the instant before which nothing at all is let through, as far as is known."""
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
    """Return the exponentially weighted moving average after one more value."""
    return mean + MEAN_WEIGHT * (newest - mean)
