"""Bounded workers: how many at once, and what they report."""

from collections import Counter

import anyio
import pytest

from capscan.core.run.events import (
    CrdFailed,
    CrdReleased,
    CrdScanned,
    CrdSkipped,
    CrdStarted,
    Settled,
)
from capscan.core.run.plan import PlannedItem
from capscan.scan.engine import AHEAD_MAX, Slot
from tests.fakes import failed_item, name_of
from tests.scan.engines import Work, engine, flying, items

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("count", "parallelism", "seconds"),
    [(10, 1, 10), (10, 3, 4), (10, 10, 1), (3, 256, 1), (0, 3, 0)],
)
async def test_as_many_as_allowed_are_in_flight_and_never_more(
    count: int, parallelism: int, seconds: float
) -> None:
    work = Work()
    await engine(work, parallelism).run(items(count))

    assert work.in_flight_max == min(count, parallelism)
    assert anyio.current_time() == pytest.approx(seconds)
    assert work.kinds() == Counter({CrdStarted: count, CrdReleased: count, CrdScanned: count})


async def test_items_start_in_their_order() -> None:
    work = Work()
    await engine(work, 3).run(items(9))
    started = [event.name for event in work.events if isinstance(event, CrdStarted)]

    assert started == [name_of(n) for n in range(9)]


async def test_an_item_is_reported_when_it_is_settled_not_when_all_are() -> None:
    work = Work()
    async with anyio.create_task_group() as group:
        group.start_soon(engine(work, 1).run, items(3))
        await anyio.sleep(1.5)

        assert work.kinds() == Counter({CrdStarted: 2, CrdReleased: 1, CrdScanned: 1})


async def test_failures_and_gone_items_are_events_like_any_other() -> None:
    ends: dict[str, Settled] = {
        name_of(0): CrdFailed(failed_item(name_of(0))),
        name_of(1): CrdSkipped(name_of(1)),
        name_of(2): CrdScanned(name_of(2)),
    }

    async def settle(item: PlannedItem, slot: Slot) -> Settled:
        async with flying(slot):
            return ends[item.ref.name]

    work = Work()
    await engine(work, 3, settle).run(items(3))

    assert work.kinds() == Counter(
        {CrdStarted: 3, CrdReleased: 3, CrdFailed: 1, CrdSkipped: 1, CrdScanned: 1}
    )


async def test_more_items_start_at_once_when_parallelism_grows() -> None:
    work = Work(takes_s=10)
    running = engine(work, 2)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run, items(8))
        await anyio.sleep(1)
        running.resize(5)
        await anyio.wait_all_tasks_blocked()

        assert work.in_flight == 5
    assert work.in_flight_max == 5


async def test_no_item_starts_until_fewer_are_in_flight_when_parallelism_shrinks() -> None:
    """Items in flight go on, since what they cost is spent."""
    work = Work(takes_s=10)
    running = engine(work, 5)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run, items(9))
        await anyio.sleep(1)
        running.resize(2)
        await anyio.sleep(8)
        assert work.in_flight == 5
        await anyio.sleep(2)
        assert work.in_flight == 2

    assert work.kinds() == Counter({CrdStarted: 9, CrdReleased: 9, CrdScanned: 9})


async def test_growing_again_while_too_many_are_in_flight_starts_no_item() -> None:
    work = Work(takes_s=10)
    running = engine(work, 6)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run, items(9))
        await anyio.sleep(1)
        running.resize(1)
        running.resize(4)
        await anyio.wait_all_tasks_blocked()

        assert work.begun == 6
    assert work.in_flight_max == 6


async def test_a_few_more_items_get_ready_while_others_are_in_flight() -> None:
    """What the API server takes is hidden behind what the provider takes."""
    work = Work(takes_s=10)
    read = 0

    async def settle(item: PlannedItem, slot: Slot) -> Settled:
        nonlocal read
        await anyio.sleep(1)
        read += 1
        return await work(item, slot)

    async with anyio.create_task_group() as group:
        group.start_soon(engine(work, 2, settle).run, items(20))
        await anyio.sleep(5)
        assert (work.in_flight, read) == (2, 2 + AHEAD_MAX)

    assert anyio.current_time() == pytest.approx(1 + 10 * 10)
