"""A provider in virtual time, with limits of its own, and a scan's worth of workers asking it."""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import anyio

from capscan.core.errors import (
    InferenceError,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnreachable,
    RateLimited,
)
from capscan.core.retry import backoff_s, worth_retrying
from capscan.inference.accounts.gate import Gate, Ticket
from capscan.model import ObservedLimit, ObservedLimits, Usage

NETWORK_S_MIN, NETWORK_S_MAX = 0.0005, 0.01
"""One way, unless a provider is said to be further away."""
LATENCY_MEDIAN_S, LATENCY_SIGMA = 0.5, 0.4
ATTEMPTS = 4


RetryAfter = Callable[[float], float | None]
"""How a 429 tells how long to wait."""


def to_the_millisecond(wait_s: float) -> float | None:
    """Return the wait as `retry-after-ms` tells it."""
    return math.ceil(wait_s * 1000) / 1000


def to_the_second(wait_s: float) -> float | None:
    """Return the wait as `retry-after` tells it."""
    return float(math.ceil(wait_s))


def untold(wait_s: float) -> float | None:  # noqa: ARG001
    """Return no wait: a bare 429 tells none."""
    return None


@dataclass(slots=True)
class Allowance:
    """The provider's own bucket. Without one given, a burst is a second's worth."""

    per_minute: float
    burst: float = 0.0
    level: float = field(init=False)
    at_s: float = 0.0

    def __post_init__(self) -> None:
        self.burst = self.burst or self.per_minute / 60
        self.level = self.burst

    def refill(self, now_s: float) -> None:
        earned = (now_s - self.at_s) * self.per_minute / 60
        self.level, self.at_s = min(self.burst, self.level + earned), now_s

    def wait_s(self, amount: float) -> float:
        return max(0.0, amount - self.level) * 60 / self.per_minute

    def least_s(self, amount: float) -> float:
        """Return the least time in which so much can have been taken."""
        return (amount - self.burst) * 60 / self.per_minute

    def told(self) -> ObservedLimit:
        reset_s = (self.per_minute - self.level) * 60 / self.per_minute
        return ObservedLimit(int(self.per_minute), max(0, int(self.level)), reset_s)


@dataclass(slots=True)
class Minutes(Allowance):
    """All of a minute's share at once, and the next with the next minute after the first request;
    the burst is a minute's.
    """

    ends_at_s: float = -math.inf

    def __post_init__(self) -> None:
        self.burst = self.level = self.per_minute

    def refill(self, now_s: float) -> None:
        if now_s >= self.ends_at_s:
            begun_s = now_s if self.ends_at_s < 0 else self.ends_at_s
            self.ends_at_s = begun_s + 60 * (1 + (now_s - begun_s) // 60)
            self.level = self.burst
        self.at_s = now_s

    def wait_s(self, amount: float) -> float:
        return self.ends_at_s - self.at_s if amount > self.level else 0.0

    def least_s(self, amount: float) -> float:
        return 60 * (math.ceil(amount / self.per_minute) - 1)

    def told(self) -> ObservedLimit:
        return ObservedLimit(
            int(self.per_minute), max(0, int(self.level)), self.ends_at_s - self.at_s
        )


@dataclass(frozen=True, slots=True)
class Answer:
    usage: Usage
    observed: ObservedLimits | None


@dataclass(frozen=True, slots=True)
class Item:
    input_tokens: int
    output_tokens: int
    output_tokens_max: int = 1000


@dataclass(slots=True)
class SimulatedProvider:
    """Refuses with 429 what its buckets do not hold, with 529 what is too much at once."""

    rng: random.Random
    requests: Allowance | None = None
    tokens: Allowance | None = None
    """Of prompt and max_tokens together, as OpenAI has it."""
    in_flight_max: float = math.inf
    outage: tuple[float, float] = (math.inf, math.inf)
    headers: bool = True
    retry_after: RetryAfter = to_the_millisecond
    network_s: tuple[float, float] = (NETWORK_S_MIN, NETWORK_S_MAX)
    flaky: bool = True
    in_flight: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    refused_at_s: list[float] = field(default_factory=list)
    served_s: float = 0.0
    """The sum of the time that requests took which were not refused."""
    charged_tokens: int = 0

    async def __call__(self, item: Item) -> Answer:
        self.counts["calls"] += 1
        await anyio.sleep(self._network_s())
        refusal = self._refusal(item)
        if refusal is not None:
            await anyio.sleep(self._network_s())
            raise refusal
        self.in_flight += 1
        try:
            return await self._served(item)
        finally:
            self.in_flight -= 1
            await anyio.sleep(self._network_s())

    def _network_s(self) -> float:
        return self.rng.uniform(*self.network_s)

    def _refusal(self, item: Item) -> InferenceError | None:
        now_s = anyio.current_time()
        if self.outage[0] <= now_s < self.outage[1]:
            self.counts["wasted"] += 1
            return ProviderUnreachable("connection refused")
        if self.in_flight >= self.in_flight_max:
            self.counts["overloaded"] += 1
            return ProviderOverloaded("overloaded")
        amounts = [(self.requests, 1), (self.tokens, item.input_tokens + item.output_tokens_max)]
        asked = [(bucket, amount) for bucket, amount in amounts if bucket is not None]
        for bucket, _ in asked:
            bucket.refill(now_s)
        wait_s = max((bucket.wait_s(amount) for bucket, amount in asked), default=0.0)
        if wait_s > 1e-6:
            self.counts["rate_limited"] += 1
            self.refused_at_s.append(now_s)
            told_s = self.retry_after(wait_s)
            return RateLimited("slow down", retry_after_s=told_s, observed=self._told())
        for bucket, amount in asked:
            bucket.level -= amount
        return None

    async def _served(self, item: Item) -> Answer:
        told = self._told()
        self.charged_tokens += item.input_tokens + item.output_tokens_max
        chance = self.rng.random() if self.flaky else 1.0
        latency_s = LATENCY_MEDIAN_S * math.exp(self.rng.gauss(0.0, LATENCY_SIGMA))
        if chance < 0.02:
            latency_s /= 5
        self.served_s += latency_s + sum(self.network_s)
        await anyio.sleep(latency_s)
        if chance < 0.02:
            self.counts["broken"] += 1
            raise ProviderFailed("500") if chance < 0.01 else ProviderOverloaded("529")
        usage = Usage(1, item.input_tokens, 0, item.output_tokens)
        return Answer(usage, told)

    def _told(self) -> ObservedLimits | None:
        if not self.headers or (self.requests is None and self.tokens is None):
            return None
        return ObservedLimits(
            requests=self.requests.told() if self.requests else None,
            input_tokens=self.tokens.told() if self.tokens else None,
        )


def items(count: int, rng: random.Random) -> list[Item]:
    """Return items with prompts of 500 to 3,500 tokens."""
    return [Item(rng.randrange(500, 3500), rng.randrange(100, 500)) for _ in range(count)]


@dataclass(slots=True)
class Run:
    """What became of one flow's items."""

    makespan_s: float = 0.0
    lost: list[InferenceError] = field(default_factory=list)


async def ask_all(
    gate: Gate,
    provider: SimulatedProvider,
    work: list[Item],
    *,
    flow: str = "scan",
    weight: int = 1,
    workers: int = 64,
) -> Run:
    """Every item, with attempts and backoff as a scan makes them; estimates are 30 % too low."""
    rng = random.Random(len(work))
    run, start_s = Run(), anyio.current_time()
    pending = iter(work)

    async def settle(item: Item) -> None:
        turn = Ticket(flow, weight, int(item.input_tokens * 0.7), item.output_tokens_max)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await gate.ask(turn, lambda: provider(item))
            except InferenceError as error:
                if not worth_retrying(error, attempt, ATTEMPTS):
                    run.lost.append(error)
                    return
                await anyio.sleep(backoff_s(error, attempt, rng.random()))
            else:
                return

    async def worker(pending: Iterator[Item]) -> None:
        for item in pending:
            await settle(item)

    async with anyio.create_task_group() as group:
        for _ in range(workers):
            group.start_soon(worker, pending)
    run.makespan_s = anyio.current_time() - start_s
    return run
