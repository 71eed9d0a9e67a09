"""The gate after a 429: who waits for how long, and who goes first afterwards."""

import random
from typing import Any

import anyio
import pytest

from capscan.core.errors import RateLimited
from capscan.inference.accounts.gate import REFUSALS_MAX, Ticket
from capscan.model import Limits
from capscan.model.provider import CircuitBreaker
from tests import virtual
from tests.inference.accounts.gates import OK, TICKET, Provider, gate, together
from tests.inference.accounts.simulated import Answer, Minutes, SimulatedProvider, ask_all, items

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


class TestA429:
    async def test_closes_the_gate_for_everybody_until_it_says(self) -> None:
        closed = gate(Limits(max_in_flight=1))
        refused = Provider(RateLimited("slow", retry_after_s=30.0), takes_s=0.0)
        others = Provider()
        async with anyio.create_task_group() as group:
            group.start_soon(closed.ask, TICKET, refused)
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
        await gate().ask(TICKET, provider)

        assert provider.called_at_s == pytest.approx([0, 1, 3, 7], abs=0.01)

    async def test_is_raised_in_the_end(self) -> None:
        provider = Provider(*[RateLimited(retry_after_s=1.0)] * 99)
        with pytest.raises(RateLimited):
            await gate().ask(TICKET, provider)

        assert provider.calls == REFUSALS_MAX

    async def test_that_asks_for_a_day_keeps_waiting_and_holds_no_permit(self) -> None:
        """With a single permit it could not go again if it held that one."""
        closed = gate(Limits(max_in_flight=1))
        provider = Provider(RateLimited("quota", retry_after_s=86400.0))
        async with anyio.create_task_group() as group:
            group.start_soon(closed.ask, TICKET, provider)
            await anyio.sleep(3600)
            calls = provider.calls
            pace = closed.pace("scan", 1)

        assert (calls, provider.calls) == (1, 2)
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
        assert dry.counts["rate_limited"] == 0

    async def test_that_asks_for_a_day_can_be_cancelled_at_once(self) -> None:
        closed = gate()
        with anyio.move_on_after(10) as scope:
            await closed.ask(TICKET, Provider(RateLimited(retry_after_s=86400.0)))

        assert scope.cancelled_caught
        assert anyio.current_time() == pytest.approx(10)
        assert await closed.ask(TICKET, Provider()) is OK
        assert anyio.current_time() == pytest.approx(86402, abs=0.1)

    async def test_that_asks_for_a_year_is_granted_a_day(self) -> None:
        provider = Provider(RateLimited("quota", retry_after_s=365 * 86400.0), takes_s=0.0)
        await gate().ask(TICKET, provider)

        assert provider.called_at_s == pytest.approx([0, 86400], abs=1)

    @pytest.mark.parametrize("ends", ["edit", "look"])
    async def test_that_asks_for_a_day_is_forgotten_after(self, ends: str) -> None:
        """Somebody may have raised the limit."""
        closed, provider = gate(), Provider(RateLimited("quota", retry_after_s=86400.0))
        async with anyio.create_task_group() as group:
            group.start_soon(closed.ask, TICKET, provider)
            await anyio.sleep(100)
            if ends == "look":
                closed.relieve()
            else:
                closed.configure(Limits(), adaptive=True, breaker=CircuitBreaker())

        assert provider.called_at_s == pytest.approx([0, 100], abs=61)


class Slots:
    """Takes so many requests at once, and refuses more with words of concurrency."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.in_flight = self.calls = 0

    async def __call__(self) -> Answer:
        self.calls += 1
        await anyio.sleep(0.01)
        if self.in_flight >= self.slots:
            raise RateLimited("too many at once", retry_after_s=60.0, of_concurrency=True)
        self.in_flight += 1
        await anyio.sleep(1.0)
        self.in_flight -= 1
        return OK


@pytest.mark.parametrize("slots", [1, 2, 5])
async def test_a_429_for_requests_at_once_lowers_them_and_nobody_waits(slots: int) -> None:
    """A wait that is told along with it is one for the limit's window, and not for a slot."""
    account, server, left = gate(), Slots(slots), iter(range(60))

    async def work() -> None:
        for _ in left:
            await account.ask(TICKET, server)

    await together(16, work)

    assert anyio.current_time() <= 1.2 * 60 / slots + 1
    assert server.calls <= 60 + 16 + 10
