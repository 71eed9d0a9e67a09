"""The gate between flows: each gets its share."""

import random
from collections import Counter
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from capscan.core.pace import Pace
from capscan.inference.accounts.gate import Ticket
from capscan.model import Limits
from tests import virtual
from tests.inference.accounts.gates import Provider, gate
from tests.inference.accounts.simulated import SimulatedProvider, ask_all, items

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


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
