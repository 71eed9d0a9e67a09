"""The gate before one account: every request to a provider waits here for its turn.

One gate serves all scans that name the account, and gives each its fair share. It only waits and
decides nothing itself: `core/limits/fair.py` says who is next, `core/limits/admission.py` when the
next request may go, and `core/limits/feedback.py` what a request that came back teaches. Pauses
before another attempt are slept by the caller, so that nobody holds a permit asleep.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import anyio

from capscan.core.errors import CircuitOpen, InferenceError, RateLimited
from capscan.core.limits import admission, feedback
from capscan.core.limits.admission import Admission, Permit, Rules, TokenEstimate
from capscan.core.limits.fair import FairQueue
from capscan.core.limits.sample import TROUBLES, Sample, Signal, of_failure
from capscan.core.pace import Pace
from capscan.inference.accounts.statistics import GateStatistics, RateLimitSeen
from capscan.model import Usage
from capscan.model.completion import ObservedLimits
from capscan.model.provider import ApiProtocol, Circuit, CircuitBreaker, Limits

REFUSALS_MAX = 30
"""A request that was answered 429 so often is given up."""
DIVERTED_S_MIN = 0.5
"""The least pause that a request is told which was sent away while another one probes."""
OBSTACLE_S_MIN = 5.0
"""A used up limit is worth a word only if it takes at least so long until it is refilled."""
REOPENED_S_MIN = 60.0
"""A longer wait is a matter of quotas, which somebody may have raised when a look finds nothing."""
TICK_S = 1e-4
"""A shorter wait counts as none: no clock is as exact."""


class GateReply(Protocol):
    """What a call brings back, besides the answer itself."""

    @property
    def usage(self) -> Usage: ...
    @property
    def observed(self) -> ObservedLimits | None: ...


ReplyT = TypeVar("ReplyT", bound=GateReply)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request that waits: for which scan, and what it is expected to cost."""

    flow: str
    """The name of the scan: requests of one flow wait in one line."""
    weight: int = 1
    """The share of its flow, against the weights of the others."""
    input_tokens: int = 0
    """An estimate, which the gate corrects by what requests really used."""
    output_tokens_max: int = 0
    wait_while_open: bool = True
    """False: CircuitOpen is raised while the circuit is open, unless this request may find out
    whether the circuit can be closed."""
    broke_at_s: float = math.inf
    """When the provider broke over the same question for the first time; infinite while it never
    did."""


class _Waiter:
    """One call of `Gate.ask`, until it returns."""

    __slots__ = ("broke_at_s", "poked", "ticket")

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.broke_at_s = ticket.broke_at_s
        """When the question first failed, here or in an earlier attempt; infinite before that."""
        self.poked = anyio.Event()

    @property
    def estimate(self) -> TokenEstimate:
        return TokenEstimate(self.ticket.input_tokens, self.ticket.output_tokens_max)


class Gate:
    """Lets requests to one account through. Belongs to one event loop."""

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

    async def ask(self, ticket: Ticket, call: Callable[[], Awaitable[ReplyT]]) -> ReplyT:
        """Let `call` make its one request as soon as the account allows it.

        Raises what `call` raises, but for errors that spend no attempt. After a 429 the request
        waits until the account is open again and then goes first, at most REFUSALS_MAX times. A
        request that merely found out that the provider is down, or still is, waits for its turn
        anew. Raises CircuitOpen where the ticket says so.
        """
        waiter = _Waiter(ticket)
        self._asking[waiter] = None
        self._queue.push(waiter, ticket.flow, ticket.weight)
        refusals = 0
        try:
            while True:
                permit = await self._admitted(waiter)
                try:
                    return await self._call(permit, waiter, call)
                except InferenceError as error:
                    refusals += isinstance(error, RateLimited)
                    if isinstance(error, RateLimited) and refusals < REFUSALS_MAX:
                        self._queue.push_front(waiter)
                    elif self._costs_no_attempt(permit, of_failure(error, waiter.broke_at_s)):
                        self._queue.push(waiter, ticket.flow, ticket.weight)
                    else:
                        raise
                    self._poke()
        finally:
            del self._asking[waiter]

    async def _call(
        self, permit: Permit, waiter: _Waiter, call: Callable[[], Awaitable[ReplyT]]
    ) -> ReplyT:
        """Make the one request, and give its permit back however it ends."""
        sample, failure = Sample(Signal.ABANDONED), None
        try:
            answer = await call()
            sample = Sample(Signal.ANSWERED, answer.usage, answer.observed)
        except InferenceError as error:
            sample, failure = of_failure(error, waiter.broke_at_s), error
            if sample.signal in feedback.MAY_BE_THE_QUESTION:
                waiter.broke_at_s = min(waiter.broke_at_s, anyio.current_time())
            raise
        else:
            return answer
        finally:
            self._returned(permit, sample, failure)

    def configure(self, limits: Limits, *, adaptive: bool, breaker: CircuitBreaker) -> None:
        """Take over what an administrator set.

        What was learnt stays; but a pause that the provider asked for is over.
        """
        rules = Rules(self._state.rules.protocol, limits, adaptive, breaker)
        now_s = anyio.current_time()
        self._state = admission.configured(feedback.reopened(self._state, now_s), rules, now_s)
        self._poke()

    @property
    def is_left_open(self) -> bool:
        """Whether the circuit is open, and no request waits that could find out whether it can be
        closed.
        """
        return self._state.breaker.circuit is not Circuit.CLOSED and not self._asking

    def climb_from_one(self) -> None:
        """Begin with one request at a time: the server has few slots."""
        self._state = admission.climbing(self._state)

    def relieve(self) -> None:
        """Take note that the provider is there: end long waits, close a circuit left open."""
        now_s = anyio.current_time()
        if self.is_left_open:
            self._state = feedback.relieved(self._state)
        if self._state.closed_until_s > now_s + REOPENED_S_MIN:
            self._state = feedback.reopened(self._state, now_s)
            self._poke()

    def pace(self, flow: str, weight: int) -> Pace:
        """Return how fast requests of `flow` may go beside those of the others that ask now."""
        now_s, state = anyio.current_time(), self._state
        weights = {waiter.ticket.flow: waiter.ticket.weight for waiter in self._asking}
        weights[flow] = weight
        share = weight / sum(weights.values())
        items_per_s = admission.items_per_s(state)
        return Pace(
            permits=max(1, round(admission.permits_now(state) * share)),
            permits_soon=round(admission.permits_soon(state) * share),
            items_per_s=None if items_per_s is None else items_per_s * share,
            wait_s=max(0.0, admission.closed_until_s(state) - now_s),
            returns=state.breaker.circuit is Circuit.CLOSED,
            obstacle=self._obstacle(now_s),
        )

    def statistics(self) -> GateStatistics:
        """Return what is to be shown now."""
        return GateStatistics(
            circuit=self._state.breaker.circuit,
            permits=admission.permits_now(self._state),
            last_rate_limit=self._last_rate_limit,
            obstacle=self._obstacle(anyio.current_time()),
        )

    async def _admitted(self, waiter: _Waiter) -> Permit:
        """Wait in the queue until the request may go, and take its permit.

        Only the head of the queue watches the clock; every other waiter waits to be poked.
        """
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
        self._poke()
        return permit

    def _ready_s(self, waiter: _Waiter) -> float:
        """Return the instant at which the request may go; infinite where only a poke can tell."""
        if self._queue.head() is not waiter:
            return math.inf
        return admission.ready_s(self._state, waiter.estimate, anyio.current_time())

    def _returned(
        self, permit: Permit, sample: Sample, error: InferenceError | None = None
    ) -> None:
        """Give the permit back, and learn from how the request ended."""
        now_s, before = anyio.current_time(), self._state
        self._state = feedback.freed(before, permit, now_s)
        try:
            if error is not None and sample.signal in TROUBLES:
                self._last_error = f"{error.reason}: {error.message}"
            if isinstance(error, RateLimited):
                self._last_rate_limit = RateLimitSeen(now_s, error.message, error.retry_after_s)
            self._state = feedback.returned(before, permit, sample, now_s)
        finally:
            self._poke()

    def _costs_no_attempt(self, permit: Permit, sample: Sample) -> bool:
        return feedback.costs_no_attempt(self._state, permit, sample, anyio.current_time())

    def _divert(self) -> None:
        """Send a request away that need not wait. Raises CircuitOpen while the circuit is open."""
        if self._state.breaker.circuit is not Circuit.CLOSED:
            now_s = anyio.current_time()
            wait_s = admission.closed_until_s(self._state) - now_s
            raise CircuitOpen(self._obstacle(now_s), retry_in_s=max(wait_s, DIVERTED_S_MIN))

    def _poke(self) -> None:
        """Wake those for whom a change may matter: the head of the queue, and while the circuit is
        open all requests that need not wait.
        """
        head = self._queue.head()
        if head is not None:
            head.poked.set()
        if self._state.breaker.circuit is not Circuit.CLOSED:
            for waiter in self._asking:
                if not waiter.ticket.wait_while_open:
                    waiter.poked.set()

    def _obstacle(self, now_s: float) -> str:
        """Return why nothing is let through, in a sentence; empty where something is."""
        if self._state.breaker.circuit is not Circuit.CLOSED:
            return f"The provider keeps failing; one request at a time tries. {self._last_error}"
        if self._state.closed_until_s > now_s + TICK_S:
            return f"The provider asked to wait. {self._last_error}"
        if admission.closed_until_s(self._state) > now_s + OBSTACLE_S_MIN:
            return "The account's limit is used up until it is refilled as a whole."
        return ""
