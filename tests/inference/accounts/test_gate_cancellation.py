"""The gate when requests are cancelled: nothing stays taken, and nobody is stuck."""

import math
import random
from contextlib import suppress
from typing import Any

import anyio
import pytest

from capscan.core.errors import (
    InferenceError,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnavailable,
    RateLimited,
)
from capscan.inference.accounts.gate import Ticket
from capscan.model import Limits, ObservedLimits, Usage
from tests import virtual
from tests.inference.accounts.gates import TICKET, Provider, gate, has_all_permits, together

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


async def test_a_waiter_that_is_cancelled_lets_the_next_one_through_in_time() -> None:
    """The head of the queue leaves; the next one is let through at the same instant."""
    limited = gate(Limits(requests_per_minute=60))
    await limited.ask(TICKET, Provider(takes_s=0.0))
    second = Provider()
    async with anyio.create_task_group() as group:
        with anyio.move_on_after(0.5):
            group.start_soon(limited.ask, Ticket("other"), second)
            await limited.ask(TICKET, Provider())

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

    with anyio.fail_after(1000):
        await together(5, lambda: shaky.ask(TICKET, Provider()))
    assert await has_all_permits(shaky)


class Unreadable:
    """A reply that breaks whoever wants to learn from it."""

    @property
    def usage(self) -> Usage:
        raise OverflowError

    @property
    def observed(self) -> ObservedLimits | None:
        return None


async def test_a_permit_comes_back_whatever_learning_from_a_reply_raises() -> None:
    limited = gate(Limits(max_in_flight=2))

    async def call() -> Unreadable:
        return Unreadable()

    for _ in range(5):
        with pytest.raises(OverflowError):
            await limited.ask(TICKET, call)

    assert await has_all_permits(limited)
