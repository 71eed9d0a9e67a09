"""The gate before one account: every request to a provider waits here for its ticket.

Breaker, rate and token budget, permit, call, and what came of it back into the limiter. One gate
serves all scans that name the account, each its fair share. It decides nothing itself:
`core/limits/fair.py` says who is next, `core/limits/admission.py` when the next request may go, and
`core/limits/feedback.py` what an answer teaches. Retrying what failed is the caller's, so that no
permit is held asleep.
"""

import math
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import anyio

from capscan.core.errors import (
    CircuitOpen,
    InferenceError,
    ProviderOverloaded,
    ProviderUnavailable,
    ProviderUnreachable,
    RateLimited,
)
from capscan.core.limits import admission, feedback
from capscan.core.limits.admission import Admission, Permit, Rules, TokenEstimate
from capscan.core.limits.fair import FairQueue
from capscan.core.limits.sample import TROUBLES, Sample, Signal, of_failure
from capscan.core.pace import Pace
from capscan.model import Usage
from capscan.model.completion import ObservedLimits
from capscan.model.provider import ApiProtocol, Circuit, CircuitBreaker, Limits

REFUSALS_MAX = 30
"""A question that was answered 429 so often is given up."""
DIVERTED_S_MIN = 0.5
"""Who was sent away while another one probes comes back no sooner."""
OBSTACLE_S_MIN = 5.0
"""A limit that is refilled sooner is not worth a word."""
TICK_S = 1e-4
"""A wait shorter than that is none: no clock is as exact."""


class GateReply(Protocol):
    """What a call brings back, besides the answer itself."""

    @property
    def usage(self) -> Usage: ...
    @property
    def observed(self) -> ObservedLimits | None: ...


ReplyT = TypeVar("ReplyT", bound=GateReply)


@dataclass(frozen=True, slots=True)
class Ticket:
    """On whose account one request waits, and what it is expected to cost."""

    flow: str
    weight: int = 1
    input_tokens: int = 0
    """An estimate; what requests really used corrects it."""
    output_tokens_max: int = 0
    wait_while_open: bool = True
    """False: with the circuit open CircuitOpen is raised, unless this one may find out whether it
    can be closed."""
    broke_at_s: float = math.inf
    """When the provider broke over the same question for the first time."""


@dataclass(frozen=True, slots=True)
class RateLimitSeen:
    """A 429; `at_s` on the clock of `anyio.current_time`."""

    at_s: float
    message: str
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class GateStatistics:
    """What status shows."""

    circuit: Circuit
    in_flight: int
    waiting: int
    permits: int
    """Requests at once that the account is trusted with now."""
    requests_per_s: float | None
    """What is used of the account's limits at most; None where none is known."""
    input_tokens_per_s: float | None
    output_tokens_per_s: float | None
    requests: int
    """All that were ever sent."""
    rate_limited: int
    """Those of them that were answered 429."""
    last_rate_limit: RateLimitSeen | None
    obstacle: str = ""
    """Why nothing is let through now, in a sentence for a person; empty where it is."""


class _Waiter:
    """One `ask`, from its call to its answer."""

    __slots__ = ("poked", "ticket")

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.poked = anyio.Event()

    @property
    def estimate(self) -> TokenEstimate:
        return TokenEstimate(self.ticket.input_tokens, self.ticket.output_tokens_max)


class Gate:
    """For one event loop."""

    def __init__(
        self,
        protocol: ApiProtocol,
        limits: Limits,
        *,
        adaptive: bool = True,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        rules = Rules(protocol, limits, adaptive, breaker or CircuitBreaker())
        self._state: Admission = admission.opened(rules, 0.0)
        self._queue: FairQueue[_Waiter] = FairQueue()
        self._asking: dict[_Waiter, None] = {}
        self._last_error = ""
        self._last_rate_limit: RateLimitSeen | None = None
        self._counts: Counter[str] = Counter()

    async def ask(self, ticket: Ticket, call: Callable[[], Awaitable[ReplyT]]) -> ReplyT:
        """Let `call` make its one request as soon as the account allows it.

        Raises what `call` raises, but for errors that spend no attempt: a 429 waits until the
        account is open again and goes first then (at most REFUSALS_MAX times), and a request that
        merely found out that the provider is down, or still is, waits for its ticket anew. Raises
        CircuitOpen where the ticket says so.
        """
        waiter = _Waiter(ticket)
        self._asking[waiter] = None
        self._queue.push(waiter, ticket.flow, ticket.weight)
        refusals = 0
        try:
            while True:
                permit = await self._admitted(waiter)
                try:
                    answer = await call()
                except InferenceError as error:
                    self._returned(permit, of_failure(error, ticket.broke_at_s), error)
                    refusals += isinstance(error, RateLimited)
                    if isinstance(error, RateLimited) and refusals < REFUSALS_MAX:
                        self._queue.push_front(waiter)
                    elif self._is_an_outage(permit, error):
                        self._queue.push(waiter, ticket.flow, ticket.weight)
                    else:
                        raise
                except BaseException:
                    self._returned(permit, Sample(Signal.ABANDONED))
                    raise
                else:
                    self._returned(permit, _success(answer))
                    return answer
        finally:
            del self._asking[waiter]

    def configure(self, limits: Limits, *, adaptive: bool, breaker: CircuitBreaker) -> None:
        """Change what an administrator set; what was learnt stays, who waits goes on waiting."""
        rules = Rules(self._state.rules.protocol, limits, adaptive, breaker)
        self._state = admission.configured(self._state, rules, anyio.current_time())
        self._poke()

    @property
    def is_left_open(self) -> bool:
        """Whether the circuit is open, and nobody waits to find out that it can be closed."""
        return self._state.breaker.circuit is not Circuit.CLOSED and not self._asking

    def relieve(self) -> None:
        """Close a circuit that was left open: the provider is there."""
        if self.is_left_open:
            self._state = feedback.relieved(self._state)

    def pace(self, flow: str, weight: int) -> Pace:
        """How fast requests of `flow` may go, next to those of the others that ask now."""
        now_s, state = anyio.current_time(), self._state
        weights = {waiter.ticket.flow: waiter.ticket.weight for waiter in self._asking}
        weights[flow] = weight
        share = weight / sum(weights.values())
        items_per_s = admission.items_per_s(state)
        return Pace(
            permits=max(1, round(state.permits.count * share)),
            permits_soon=round(admission.permits_soon(state) * share),
            items_per_s=None if items_per_s is None else items_per_s * share,
            wait_s=max(0.0, admission.closed_until_s(state) - now_s),
            returns=state.breaker.circuit is Circuit.CLOSED,
            obstacle=self._obstacle(now_s),
        )

    def statistics(self) -> GateStatistics:
        """As of now."""
        state = self._state
        return GateStatistics(
            circuit=state.breaker.circuit,
            in_flight=state.in_flight,
            waiting=len(self._queue),
            permits=state.permits.count,
            requests_per_s=admission.requests_per_s(state),
            input_tokens_per_s=state.input_tokens.rate_per_s,
            output_tokens_per_s=state.output_tokens.rate_per_s,
            requests=self._counts["requests"],
            rate_limited=self._counts["rate_limited"],
            last_rate_limit=self._last_rate_limit,
            obstacle=self._obstacle(anyio.current_time()),
        )

    async def _admitted(self, waiter: _Waiter) -> Permit:
        """Wait in the queue. Only its head watches the clock; everybody else waits to be poked."""
        try:
            while (at_s := self._ready_s(waiter)) > anyio.current_time() + TICK_S:
                if not waiter.ticket.wait_while_open:
                    self._divert()
                waiter.poked = anyio.Event()
                if at_s == math.inf:
                    await waiter.poked.wait()
                else:
                    with anyio.CancelScope(deadline=at_s):
                        await waiter.poked.wait()
        except BaseException:
            self._queue.discard(waiter, waiter.ticket.flow)
            self._poke()
            raise
        self._queue.pop()
        now_s = anyio.current_time()
        self._state, permit = admission.admitted(self._state, waiter.estimate, now_s)
        self._counts["requests"] += 1
        self._poke()
        return permit

    def _ready_s(self, waiter: _Waiter) -> float:
        if self._queue.head() is not waiter:
            return math.inf
        return admission.ready_s(self._state, waiter.estimate, anyio.current_time())

    def _returned(
        self, permit: Permit, sample: Sample, error: InferenceError | None = None
    ) -> None:
        now_s = anyio.current_time()
        if error is not None and sample.signal in TROUBLES:
            self._last_error = f"{error.reason}: {error.message}"
        if isinstance(error, RateLimited):
            self._counts["rate_limited"] += 1
            self._last_rate_limit = RateLimitSeen(now_s, error.message, error.retry_after_s)
        self._state = feedback.returned(self._state, permit, sample, now_s)
        self._poke()

    def _is_an_outage(self, permit: Permit, error: InferenceError) -> bool:
        """Whether the circuit is to blame, and not the question."""
        if permit.probe:
            return isinstance(error, ProviderUnavailable | ProviderOverloaded)
        closed = self._state.breaker.circuit is Circuit.CLOSED
        return isinstance(error, ProviderUnreachable) and not closed

    def _divert(self) -> None:
        """Raises CircuitOpen where it is."""
        if self._state.breaker.circuit is not Circuit.CLOSED:
            now_s = anyio.current_time()
            wait_s = admission.closed_until_s(self._state) - now_s
            raise CircuitOpen(self._obstacle(now_s), retry_in_s=max(wait_s, DIVERTED_S_MIN))

    def _poke(self) -> None:
        """Something changed: the head of the queue looks again, and who need not wait."""
        head = self._queue.head()
        if head is not None:
            head.poked.set()
        if self._state.breaker.circuit is not Circuit.CLOSED:
            for waiter in self._asking:
                if not waiter.ticket.wait_while_open:
                    waiter.poked.set()

    def _obstacle(self, now_s: float) -> str:
        if self._state.breaker.circuit is not Circuit.CLOSED:
            return f"The provider keeps failing; one request at a time tries. {self._last_error}"
        if self._state.closed_until_s > now_s + TICK_S:
            return f"The provider asked to wait. {self._last_error}"
        if admission.closed_until_s(self._state) > now_s + OBSTACLE_S_MIN:
            return "The account's limit is used up until it is refilled as a whole."
        return ""


def _success(answer: GateReply) -> Sample:
    return Sample(Signal.ANSWERED, answer.usage, answer.observed)
