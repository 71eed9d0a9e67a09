"""The gate while the circuit is open: who may try, and what spends no attempt."""

from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from capscan.core.errors import (
    InferenceTimeout,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnavailable,
    ProviderUnreachable,
)
from capscan.core.limits.feedback import PATIENCE_S
from capscan.model import Limits
from capscan.model.provider import Circuit
from tests import virtual
from tests.inference.accounts.gates import OK, TICKET, Provider, failing, gate, together

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


class TestOpenCircuit:
    DOWN = ProviderOverloaded("the connection pool is full")
    ABSENT = ProviderUnreachable("connection refused")

    async def test_lets_nothing_through_and_then_one(self) -> None:
        broken = gate()
        await failing(3, broken, self.DOWN)
        assert broken.statistics().circuit is Circuit.OPEN
        provider, opened_at_s = Provider(), anyio.current_time()
        await together(5, lambda: broken.ask(TICKET, provider))

        first, second, *_ = provider.called_at_s
        assert first == pytest.approx(opened_at_s + 2.0, abs=0.01)
        assert second >= first + provider.takes_s
        assert broken.statistics().circuit is Circuit.CLOSED

    @pytest.mark.parametrize(
        "error",
        [DOWN, ABSENT, ProviderUnavailable("521: the web server is down"), ProviderFailed("500")],
    )
    async def test_a_probe_that_finds_nobody_spends_no_attempt(self, error: Exception) -> None:
        broken = gate()
        await failing(3, broken, self.DOWN)
        provider = Provider(*[error] * 4, takes_s=0.0)

        assert await broken.ask(TICKET, provider) is OK
        assert provider.calls == 5

    @pytest.mark.parametrize("error", [InferenceTimeout()])
    async def test_a_probe_that_may_be_at_fault_itself_is_raised(self, error: Exception) -> None:
        broken = gate()
        await failing(3, broken, self.DOWN)
        provider = Provider(error)
        with pytest.raises(type(error)):
            await broken.ask(TICKET, provider)

        assert provider.calls == 1
        assert broken.statistics().circuit is Circuit.OPEN

    @pytest.mark.parametrize("error", [ProviderUnavailable("521"), ProviderFailed("500")])
    async def test_a_probe_that_fails_for_minutes_may_be_at_fault_itself(
        self, error: Exception
    ) -> None:
        """Or a run whose last items break the provider would never end."""
        broken = gate()
        await failing(3, broken, self.DOWN)
        began_s = anyio.current_time()
        with pytest.raises(type(error)):
            await broken.ask(TICKET, Provider(*[error] * 1000, takes_s=0.0))

        assert PATIENCE_S <= anyio.current_time() - began_s <= PATIENCE_S + 60

    @pytest.mark.parametrize("error", [ProviderUnavailable("521"), ProviderFailed("500")])
    async def test_the_first_failures_of_three_questions_in_a_row_open_it(
        self, error: Exception
    ) -> None:
        """Whatever status an outage has: attempts would be used up by the time that ten failed."""
        broken, attempts = gate(Limits(max_in_flight=4)), list[int]()

        async def ask() -> None:
            for attempt in range(1, 4):
                try:
                    await broken.ask(TICKET, outage)
                except type(error):
                    await anyio.sleep(0.01)
                else:
                    attempts.append(attempt)
                    return

        outage = Provider(*[error] * 8, takes_s=0.1)
        await together(8, ask)

        assert len(attempts) == 8
        assert max(attempts) <= 2

    async def test_where_one_asks_alone_three_absences_in_a_row_open_it(self) -> None:
        """Or its attempts would be used up before an outage is noticed. The one that notices was
        not sent, so that it is no attempt.
        """
        broken, provider = gate(), Provider(*[self.ABSENT] * 20, takes_s=0.0)
        for _ in range(2):
            with pytest.raises(ProviderUnreachable):
                await broken.ask(TICKET, provider)
        assert broken.statistics().circuit is Circuit.CLOSED

        assert await broken.ask(TICKET, provider) is OK
        assert provider.calls == 21
        assert broken.statistics().circuit is Circuit.CLOSED

    async def test_who_was_sent_when_it_opened_may_be_at_fault(self) -> None:
        broken, error = gate(), ProviderOverloaded("503")
        for _ in range(3):
            with pytest.raises(ProviderOverloaded):
                await broken.ask(TICKET, Provider(error))

        assert broken.statistics().circuit is Circuit.OPEN

    async def test_a_probe_that_found_nobody_lets_another_item_try(self) -> None:
        """It could be the item: once others get through, it is at fault and told so."""
        broken, sound = gate(), Provider()
        await failing(3, broken, self.DOWN)
        poisoned = Provider(*[ProviderOverloaded()] * 1000)
        async with anyio.create_task_group() as group:

            async def give_up() -> None:
                with pytest.raises(ProviderOverloaded):
                    await broken.ask(TICKET, poisoned)

            group.start_soon(give_up)
            await checkpoint()
            group.start_soon(broken.ask, TICKET, sound)

        assert sound.calls == 1
        assert poisoned.calls == 2

    async def test_a_cancelled_probe_hands_on(self) -> None:
        broken = gate()
        await failing(3, broken, self.DOWN)
        second = Provider()
        async with anyio.create_task_group() as group:

            async def give_up() -> None:
                with anyio.move_on_after(2.5):
                    await broken.ask(TICKET, Provider(takes_s=100.0))

            group.start_soon(give_up)
            await checkpoint()
            group.start_soon(broken.ask, TICKET, second)

        assert second.called_at_s == pytest.approx([2.5], abs=0.2)

    async def test_says_why(self) -> None:
        broken = gate()
        await failing(3, broken, self.DOWN)
        pace = broken.pace("scan", 1)

        assert pace.wait_s == pytest.approx(2.0)
        assert "ProviderOverloaded: the connection pool is full" in pace.obstacle
