"""The gate: how fast and how many at once it lets requests through, and what it tells."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

from capscan.core.errors import (
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
from capscan.inference.accounts.statistics import GateStatistics
from capscan.model import Limits, ObservedLimit, ObservedLimits
from capscan.model.provider import Circuit, CircuitBreaker
from tests import virtual
from tests.inference.accounts.gates import (
    OK,
    TICKET,
    Provider,
    failing,
    gate,
    has_all_permits,
    together,
)
from tests.inference.accounts.simulated import Answer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


async def test_an_answer_comes_back_as_it_is() -> None:
    assert await gate().ask(TICKET, Provider()) is OK


async def test_no_more_at_once_than_permits() -> None:
    limited, provider = gate(Limits(max_in_flight=3)), Provider()
    await together(10, lambda: limited.ask(TICKET, provider))

    assert provider.in_flight_max == 3
    assert anyio.current_time() == pytest.approx(4.0, abs=0.2)


async def test_no_faster_than_the_rate() -> None:
    limited, provider = gate(Limits(requests_per_minute=60)), Provider()
    await together(5, lambda: limited.ask(TICKET, provider))

    assert provider.called_at_s == pytest.approx([0, 1, 2, 3, 4], abs=0.05)


async def test_a_slow_account_is_asked_slowly() -> None:
    """The account allows one request a minute, and half of that is left to others."""
    limited = gate(Limits(requests_per_minute=1, headroom_percent=50))
    provider = Provider()
    await together(3, lambda: limited.ask(TICKET, provider))

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
        await together(100, lambda: limited.ask(TICKET, Watched()))

    assert len(looked) == 3


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
        await asked.ask(TICKET, provider)

    assert provider.calls == 1
    assert await asked.ask(TICKET, Provider()) is OK
    assert await has_all_permits(asked)


async def test_an_item_whose_own_time_is_up_says_nothing_of_the_provider() -> None:
    """Else the haste of one scan would close the account for all others."""
    asked = gate()
    await failing(30, asked, ItemTimeout("no answer within 1s"))

    assert asked.statistics().circuit is Circuit.CLOSED
    assert asked.statistics().permits == gate().statistics().permits
    assert await has_all_permits(asked)


async def test_changed_limits_hold_for_those_who_wait() -> None:
    limited, provider = gate(Limits(requests_per_minute=1)), Provider()
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(limited.ask, TICKET, provider)
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
    await taught.ask(TICKET, Provider(Answer(OK.usage, told)))

    assert taught.pace("scan", 1).items_per_s == 1.0


async def test_statistics_say_what_is_known() -> None:
    fresh = gate()
    assert fresh.statistics() == GateStatistics(
        circuit=Circuit.CLOSED, permits=16, last_rate_limit=None, obstacle=""
    )
    assert fresh.pace("scan", 1).items_per_s is None

    provider = Provider(RateLimited("slow down", retry_after_s=3.0))
    await fresh.ask(TICKET, provider)
    seen = fresh.statistics()
    assert provider.calls == 2
    assert seen.last_rate_limit is not None
    assert seen.last_rate_limit.message == "slow down"
    assert (seen.last_rate_limit.at_s, seen.last_rate_limit.retry_after_s) == (1.0, 3.0)
