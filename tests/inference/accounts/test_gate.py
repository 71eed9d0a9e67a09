"""The gate: who waits for what, what is repeated, and that nothing is ever stuck."""

import math
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from capscan.core.errors import (
    InferenceError,
    InferenceTimeout,
    InvalidAnswer,
    ItemTimeout,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnavailable,
    ProviderUnreachable,
    RateLimited,
    RequestRejected,
)
from capscan.core.pace import Pace
from capscan.inference.accounts.gate import REFUSALS_MAX, Gate, GateStatistics, Ticket
from capscan.model import Limits, ObservedLimit, ObservedLimits, Usage
from capscan.model.provider import ApiProtocol, Circuit, CircuitBreaker
from tests import virtual
from tests.inference.accounts.simulated import Answer, Minutes, SimulatedProvider, ask_all, items

pytestmark = pytest.mark.anyio

OK = Answer(Usage(1, 100, 0, 10), None)
UNLIMITED = Limits()
TURN = Ticket("scan")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


def gate(limits: Limits = UNLIMITED, *, adaptive: bool = True) -> Gate:
    return Gate(ApiProtocol.OPENAI, limits, adaptive=adaptive)


class Provider:
    """Answers after a second, but for what the script says; then as the script's last reply."""

    def __init__(self, *script: Answer | Exception, takes_s: float = 1.0) -> None:
        self.script = list(script)
        self.takes_s = takes_s
        self.in_flight = 0
        self.in_flight_max = 0
        self.called_at_s: list[float] = []

    async def __call__(self) -> Answer:
        self.called_at_s.append(anyio.current_time())
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            await anyio.sleep(self.takes_s)
        finally:
            self.in_flight -= 1
        reply = self.script.pop(0) if self.script else OK
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def calls(self) -> int:
        return len(self.called_at_s)


async def together(count: int, ask: Callable[[], Coroutine[Any, Any, object]]) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(ask)


async def failing(count: int, gate: Gate, error: Exception) -> None:
    """So many requests that fail, one after the other and at once."""
    for _ in range(count):
        with pytest.raises(type(error)):
            await gate.ask(TURN, Provider(error, takes_s=0.0))


async def test_an_answer_comes_back_as_it_is() -> None:
    assert await gate().ask(TURN, Provider()) is OK


async def test_no_more_at_once_than_permits() -> None:
    limited, provider = gate(Limits(max_in_flight=3)), Provider()
    await together(10, lambda: limited.ask(TURN, provider))

    assert provider.in_flight_max == 3
    assert anyio.current_time() == pytest.approx(4.0, abs=0.2)


async def test_no_faster_than_the_rate() -> None:
    limited, provider = gate(Limits(requests_per_minute=60)), Provider()
    await together(5, lambda: limited.ask(TURN, provider))

    assert provider.called_at_s == pytest.approx([0, 1, 2, 3, 4], abs=0.05)


async def test_a_slow_account_is_asked_slowly() -> None:
    """One request in two minutes, less what is left to others."""
    limited = gate(Limits(requests_per_minute=1, headroom_percent=50))
    provider = Provider()
    await together(3, lambda: limited.ask(TURN, provider))

    assert provider.called_at_s == pytest.approx([0, 120, 240], abs=4)


async def test_nobody_polls() -> None:
    """While all wait for one instant, the loop wakes for that instant alone."""
    limited = gate(Limits(requests_per_minute=1))
    looked: list[float] = []

    class Watched(Provider):
        async def __call__(self) -> Answer:
            looked.append(anyio.current_time())
            return await super().__call__()

    with anyio.move_on_after(170):
        await together(100, lambda: limited.ask(TURN, Watched()))

    assert len(looked) == 3
    assert limited.statistics().requests == 3


class TestA429:
    async def test_closes_the_gate_for_everybody_until_it_says(self) -> None:
        closed = gate(Limits(max_in_flight=1))
        refused = Provider(RateLimited("slow", retry_after_s=30.0), takes_s=0.0)
        others = Provider()
        async with anyio.create_task_group() as group:
            group.start_soon(closed.ask, TURN, refused)
            group.start_soon(closed.ask, Ticket("another"), others)

        assert refused.called_at_s == pytest.approx([0, 30], abs=0.01)
        assert others.called_at_s[0] >= 30

    async def test_goes_first_afterwards(self) -> None:
        closed, order = gate(Limits(max_in_flight=1)), []

        async def ask(name: str, provider: Provider) -> None:
            await closed.ask(Ticket(name), provider)
            order.append(name)

        async with anyio.create_task_group() as group:
            group.start_soon(ask, "refused", Provider(RateLimited(retry_after_s=5.0)))
            for name in ("a", "b", "c"):
                group.start_soon(ask, name, Provider())

        assert order == ["refused", "a", "b", "c"]

    async def test_without_a_time_is_repeated_after_pauses_that_double(self) -> None:
        provider = Provider(*[RateLimited()] * 3, takes_s=0.0)
        await gate().ask(TURN, provider)

        assert provider.called_at_s == pytest.approx([0, 1, 3, 7], abs=0.01)

    async def test_is_raised_in_the_end(self) -> None:
        provider = Provider(*[RateLimited(retry_after_s=1.0)] * 99)
        with pytest.raises(RateLimited):
            await gate().ask(TURN, provider)

        assert provider.calls == REFUSALS_MAX

    async def test_that_asks_for_a_day_keeps_waiting_and_holds_no_permit(self) -> None:
        closed, provider = gate(), Provider(RateLimited("quota", retry_after_s=86400.0))
        async with anyio.create_task_group() as group:
            group.start_soon(closed.ask, TURN, provider)
            await anyio.sleep(3600)
            seen = closed.statistics()
            pace = closed.pace("scan", 1)

        assert (seen.in_flight, seen.waiting, seen.rate_limited) == (0, 1, 1)
        assert pace.wait_s == pytest.approx(86400 - 3599)
        assert "quota" in pace.obstacle
        assert anyio.current_time() == pytest.approx(86402, abs=0.1)

    async def test_is_not_needed_to_say_that_a_minute_is_used_up(self) -> None:
        account, dry = gate(), SimulatedProvider(random.Random(1), requests=Minutes(600))
        async with anyio.create_task_group() as group:
            group.start_soon(ask_all, account, dry, items(700, random.Random(1)))
            await anyio.sleep(3)
            at_work = account.pace("scan", 1)
            await anyio.sleep(27)
            used_up = account.pace("scan", 1)

        assert (at_work.obstacle, at_work.wait_s) == ("", 0.0)
        assert "used up" in used_up.obstacle
        assert used_up.wait_s == pytest.approx(30, abs=1)
        assert account.statistics().rate_limited == 0

    async def test_that_asks_for_a_day_can_be_cancelled_at_once(self) -> None:
        closed = gate()
        with anyio.move_on_after(10) as scope:
            await closed.ask(TURN, Provider(RateLimited(retry_after_s=86400.0)))

        assert scope.cancelled_caught
        assert anyio.current_time() == pytest.approx(10)
        assert closed.statistics().waiting == 0


@pytest.mark.parametrize(
    "error",
    [
        ProviderFailed("500"),
        ProviderOverloaded("529"),
        ProviderUnavailable("502"),
        ProviderUnreachable("refused"),
        InferenceTimeout(),
        InvalidAnswer(),
        RequestRejected(),
        ValueError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_every_other_error_is_raised_and_leaves_its_permit(error: Exception) -> None:
    asked, provider = gate(Limits(max_in_flight=1)), Provider(error)
    with pytest.raises(type(error)):
        await asked.ask(TURN, provider)

    assert provider.calls == 1
    assert asked.statistics().in_flight == 0
    assert await asked.ask(TURN, Provider()) is OK


async def test_an_item_whose_own_time_is_up_says_nothing_of_the_provider() -> None:
    """One scan's haste would close the account for all others."""
    asked = gate()
    await failing(30, asked, ItemTimeout("no answer within 1s"))

    assert asked.statistics().circuit is Circuit.CLOSED
    assert asked.statistics().permits == gate().statistics().permits
    assert asked.statistics().in_flight == 0


class TestOpenCircuit:
    DOWN = ProviderUnavailable("connection cut")
    ABSENT = ProviderUnreachable("connection refused")

    async def test_lets_nothing_through_and_then_one(self) -> None:
        broken = gate()
        await failing(10, broken, self.DOWN)
        assert broken.statistics().circuit is Circuit.OPEN
        provider, opened_at_s = Provider(), anyio.current_time()
        await together(5, lambda: broken.ask(TURN, provider))

        first, second, *_ = provider.called_at_s
        assert first == pytest.approx(opened_at_s + 2.0, abs=0.01)
        assert second >= first + provider.takes_s
        assert broken.statistics().circuit is Circuit.CLOSED

    @pytest.mark.parametrize("error", [DOWN, ABSENT, ProviderOverloaded("503")])
    async def test_a_probe_that_finds_nobody_spends_no_attempt(self, error: Exception) -> None:
        broken = gate()
        await failing(10, broken, self.DOWN)
        provider = Provider(*[error] * 4, takes_s=0.0)

        assert await broken.ask(TURN, provider) is OK
        assert provider.calls == 5

    @pytest.mark.parametrize("error", [ProviderFailed("500"), InferenceTimeout()])
    async def test_a_probe_that_may_be_at_fault_itself_is_raised(self, error: Exception) -> None:
        broken = gate()
        await failing(10, broken, self.DOWN)
        provider = Provider(error)
        with pytest.raises(type(error)):
            await broken.ask(TURN, provider)

        assert provider.calls == 1
        assert broken.statistics().circuit is Circuit.OPEN

    async def test_where_one_asks_alone_three_absences_in_a_row_open_it(self) -> None:
        """Or its attempts would be used up before an outage is noticed. The one that notices was
        not sent, so that it is no attempt.
        """
        broken, provider = gate(), Provider(*[self.ABSENT] * 20, takes_s=0.0)
        for _ in range(2):
            with pytest.raises(ProviderUnreachable):
                await broken.ask(TURN, provider)
        assert broken.statistics().circuit is Circuit.CLOSED

        assert await broken.ask(TURN, provider) is OK
        assert provider.calls == 21
        assert broken.statistics().circuit is Circuit.CLOSED

    async def test_who_was_sent_when_it_opened_may_be_at_fault(self) -> None:
        broken, error = gate(), ProviderOverloaded("503")
        for _ in range(3):
            with pytest.raises(ProviderOverloaded):
                await broken.ask(TURN, Provider(error))

        assert broken.statistics().circuit is Circuit.OPEN

    async def test_a_probe_that_found_nobody_lets_another_item_try(self) -> None:
        """It could be the item: once others get through, it is at fault and told so."""
        broken, sound = gate(), Provider()
        await failing(10, broken, self.DOWN)
        poisoned = Provider(*[ProviderOverloaded()] * 1000)
        async with anyio.create_task_group() as group:

            async def give_up() -> None:
                with pytest.raises(ProviderOverloaded):
                    await broken.ask(TURN, poisoned)

            group.start_soon(give_up)
            await checkpoint()
            group.start_soon(broken.ask, TURN, sound)

        assert sound.calls == 1
        assert poisoned.calls == 2

    async def test_a_cancelled_probe_hands_on(self) -> None:
        broken = gate()
        await failing(10, broken, self.DOWN)
        second = Provider()
        async with anyio.create_task_group() as group:

            async def give_up() -> None:
                with anyio.move_on_after(2.5):
                    await broken.ask(TURN, Provider(takes_s=100.0))

            group.start_soon(give_up)
            await checkpoint()
            group.start_soon(broken.ask, TURN, second)

        assert second.called_at_s == pytest.approx([2.5], abs=0.2)

    async def test_says_why(self) -> None:
        broken = gate()
        await failing(10, broken, self.DOWN)
        pace = broken.pace("scan", 1)

        assert pace.wait_s == pytest.approx(2.0)
        assert "ProviderUnavailable: connection cut" in pace.obstacle


async def test_a_waiter_that_is_cancelled_hands_on() -> None:
    """The head of the queue leaves; the next one is let through at the same instant."""
    limited = gate(Limits(requests_per_minute=60))
    await limited.ask(TURN, Provider(takes_s=0.0))
    second = Provider()
    async with anyio.create_task_group() as group:
        with anyio.move_on_after(0.5):
            group.start_soon(limited.ask, Ticket("other"), second)
            await limited.ask(TURN, Provider())

    assert second.called_at_s == pytest.approx([1.0], abs=0.05)


@pytest.mark.parametrize("seed", range(40))
async def test_cancellation_at_any_moment_leaves_nothing_taken_and_nobody_stuck(seed: int) -> None:
    """Askers are cancelled while they wait, are let through, ask, are refused, or probe."""
    rng = random.Random(seed)
    shaky = gate(Limits(max_in_flight=rng.choice([1, 2, 8]), requests_per_minute=600))
    errors: list[Exception] = [
        RateLimited(),
        RateLimited(retry_after_s=0.3),
        ProviderUnavailable(),
        ProviderOverloaded(),
        ProviderFailed(),
    ]

    async def ask(number: int) -> None:
        await anyio.sleep(rng.choice([0.0, 0.1 * rng.randrange(20)]))
        script = rng.choices(errors, k=rng.randrange(4)) if seed % 4 else [errors[2]] * 3
        provider = Provider(*script, takes_s=rng.choice([0.0, 0.1, 0.25]))
        patience_s = rng.choice([0.0, 0.1, 0.2, 0.35, 1.0, 2.0, 2.1, math.inf])
        with anyio.move_on_after(patience_s):
            with suppress(InferenceError):
                await shaky.ask(Ticket(f"flow-{number % 3}", 1 + number % 2), provider)

    async with anyio.create_task_group() as group:
        for number in range(60):
            group.start_soon(ask, number)
    seen = shaky.statistics()
    assert (seen.in_flight, seen.waiting) == (0, 0)

    with anyio.fail_after(1000):
        await together(5, lambda: shaky.ask(TURN, Provider()))


async def test_changed_limits_hold_for_those_who_wait() -> None:
    limited, provider = gate(Limits(requests_per_minute=1)), Provider()
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(limited.ask, TURN, provider)
        await anyio.sleep(5)
        limited.configure(
            Limits(requests_per_minute=60),
            adaptive=True,
            breaker=CircuitBreaker(open_for=timedelta(seconds=1)),
        )

    assert anyio.current_time() < 10


async def test_headers_teach_the_rate() -> None:
    told = ObservedLimits(requests=ObservedLimit(60, 0, 60.0))
    taught = gate()
    await taught.ask(TURN, Provider(Answer(OK.usage, told)))

    assert taught.statistics().requests_per_s == 1.0
    assert taught.pace("scan", 1).items_per_s == 1.0


async def test_nobody_starves_and_a_small_flow_is_not_stuck_behind_a_large_one() -> None:
    """20 items beside 3,000 end within three times what they take alone."""
    rng = random.Random(1)
    limits = Limits(max_in_flight=8)
    alone = await ask_all(gate(limits), SimulatedProvider(rng), items(20, rng), flow="small")

    shared, provider = gate(limits), SimulatedProvider(rng)
    async with anyio.create_task_group() as group:
        group.start_soon(ask_all, shared, provider, items(3000, rng))
        await anyio.sleep(20)
        small = await ask_all(shared, provider, items(20, rng), flow="small")
        group.cancel_scope.cancel()

    assert (small.lost, alone.lost) == ([], [])
    assert small.makespan_s <= 3 * alone.makespan_s


async def test_shares_follow_weights() -> None:
    shared, done = gate(Limits(max_in_flight=4)), Counter[str]()

    async def ask_on(flow: str, weight: int) -> None:
        while True:
            await shared.ask(Ticket(flow, weight), Provider())
            done[flow] += 1

    with anyio.move_on_after(100):
        async with anyio.create_task_group() as group:
            for _ in range(8):
                for flow, weight in (("low", 1), ("high", 4)):
                    group.start_soon(ask_on, flow, weight)

    assert done["high"] / done["low"] == pytest.approx(4, rel=0.1)


async def test_a_flow_is_paced_by_its_share_of_those_who_ask() -> None:
    shared = gate(Limits(max_in_flight=12, requests_per_minute=600), adaptive=False)
    assert shared.pace("mine", 1) == Pace(permits=12, items_per_s=10.0)

    async with anyio.create_task_group() as group:
        group.start_soon(shared.ask, Ticket("other", 2), Provider())
        await checkpoint()
        assert shared.pace("mine", 1) == Pace(permits=4, items_per_s=10.0 * (1 / 3))
        assert shared.pace("other", 2).permits == 12


async def test_statistics_say_what_is_known() -> None:
    fresh = gate()
    assert fresh.statistics() == GateStatistics(
        circuit=Circuit.CLOSED,
        in_flight=0,
        waiting=0,
        permits=16,
        requests_per_s=None,
        input_tokens_per_s=None,
        output_tokens_per_s=None,
        requests=0,
        rate_limited=0,
        last_rate_limit=None,
    )

    await fresh.ask(TURN, Provider(RateLimited("slow down", retry_after_s=3.0)))
    seen = fresh.statistics()
    assert (seen.requests, seen.rate_limited) == (2, 1)
    assert seen.last_rate_limit is not None
    assert seen.last_rate_limit.message == "slow down"
    assert (seen.last_rate_limit.at_s, seen.last_rate_limit.retry_after_s) == (1.0, 3.0)
