"""Which items of an engine finish after a stop, and which are given up."""

from collections import Counter
from contextlib import suppress

import anyio
import pytest

from capscan.core.errors import InvalidAnswer, MissingPermission
from capscan.core.run.events import (
    CrdFailed,
    CrdReleased,
    CrdScanned,
    CrdSkipped,
    CrdStarted,
    Settled,
)
from capscan.core.run.plan import PlannedItem
from capscan.scan.engine import Slot
from tests.fakes import failed_item, flight, name_of
from tests.scan.engines import Work, engine, flying, items

pytestmark = pytest.mark.anyio


async def test_after_a_stop_what_is_in_flight_may_finish() -> None:
    work = Work(takes_s=2)
    running = engine(work, 2)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run, items(9))
        await anyio.sleep(1)
        running.stop(grace_s=5)

    assert work.kinds() == Counter({CrdStarted: 2, CrdReleased: 2, CrdScanned: 2})
    assert anyio.current_time() == pytest.approx(2)


async def test_after_the_grace_what_is_still_in_flight_is_given_up() -> None:
    work = Work(takes_s=60)
    running = engine(work, 2)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run, items(9))
        await anyio.sleep(1)
        running.stop(grace_s=5)

    assert work.kinds() == Counter({CrdStarted: 2, CrdReleased: 2})
    assert anyio.current_time() == pytest.approx(6)
    assert work.in_flight == 0


async def test_a_second_stop_may_shorten_the_grace_but_never_lengthen_it() -> None:
    work = Work(takes_s=60)
    running = engine(work, 1)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run, items(1))
        await anyio.sleep(1)
        running.stop(grace_s=10)
        running.stop(grace_s=2)
        running.stop(grace_s=30)

    assert anyio.current_time() == pytest.approx(3)


async def test_an_engine_that_was_stopped_before_it_ran_starts_nothing() -> None:
    work = Work()
    stopped = engine(work, 3)
    stopped.stop(grace_s=5)
    await stopped.run(items(3))

    assert work.events == []


@pytest.mark.parametrize("error", [MissingPermission("you may not"), ValueError("a bug")])
async def test_an_error_ends_the_run_and_lets_the_others_finish(error: Exception) -> None:
    """What is under way is paid for: it has a minute, and is stored if it is answered by then."""
    work, short = Work(takes_s=120), Work(takes_s=50)

    async def settle(item: PlannedItem, slot: Slot) -> Settled:
        if item.ref.name == name_of(1):
            await anyio.sleep(1)
            raise error
        return await (short if item.ref.name == name_of(2) else work)(item, slot)

    with pytest.raises(type(error)) as raised:
        await engine(work, 3, settle).run(items(9))

    kinds = work.kinds()
    assert raised.value is error
    assert kinds[CrdStarted] == kinds[CrdReleased] == 3
    assert kinds[CrdScanned] == 1
    assert anyio.current_time() == 61


async def test_a_cancelled_run_releases_everything() -> None:
    """A deleted scan is cancelled: no item is left open, and no permit is held."""
    work = Work(takes_s=60)
    running = engine(work, 3)
    with anyio.move_on_after(1):
        await running.run(items(9))

    assert work.kinds() == Counter({CrdStarted: 3, CrdReleased: 3})
    assert work.in_flight == 0


async def test_an_item_that_is_cancelled_from_within_frees_its_place() -> None:
    """The provider's own scope ends it; the next item takes its turn."""
    work = Work()

    async def settle(item: PlannedItem, slot: Slot) -> Settled:
        async with flying(slot):
            with suppress(TimeoutError), anyio.fail_after(1):
                await anyio.sleep_forever()
        return CrdSkipped(item.ref.name)

    await engine(work, 1, settle).run(items(3))

    assert anyio.current_time() == pytest.approx(3)
    assert work.kinds() == Counter({CrdStarted: 3, CrdReleased: 3, CrdSkipped: 3})


async def test_a_stop_keeps_those_that_are_getting_ready_from_starting() -> None:
    work = Work(takes_s=2)
    running = engine(work, 2)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run, items(20))
        await anyio.sleep(1)
        running.stop(grace_s=60)

    assert work.begun == 2


async def test_an_answer_that_is_being_stored_frees_its_permit_and_survives_a_stop() -> None:
    work = Work(takes_s=1)

    async def settle(item: PlannedItem, slot: Slot) -> Settled:
        outcome = await work(item, slot)
        await anyio.sleep(3)
        return outcome

    running = engine(work, 1, settle)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run, items(9))
        await anyio.sleep(1.5)
        assert work.begun == 2
        running.stop(grace_s=10)

    assert work.kinds() == Counter({CrdStarted: 2, CrdReleased: 2, CrdScanned: 2})


@pytest.mark.parametrize("failed_first", [False, True])
async def test_a_stop_interrupts_at_once_what_only_waits(*, failed_first: bool) -> None:
    """The item waits for its first request, or between two."""
    work = Work()

    async def settle(item: PlannedItem, slot: Slot) -> Settled:
        async with slot.permit():
            if failed_first:
                with suppress(InvalidAnswer):
                    async with flight(slot).request():
                        raise InvalidAnswer
            await anyio.sleep(3600)
        return CrdSkipped(item.ref.name)

    running = engine(work, 2, settle)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run, items(9))
        await anyio.sleep(1)
        running.stop(grace_s=60)

    assert anyio.current_time() == pytest.approx(1)
    assert CrdSkipped not in work.kinds()


async def test_a_failure_that_is_being_stored_survives_a_stop() -> None:
    work = Work()

    async def settle(item: PlannedItem, slot: Slot) -> Settled:
        async with slot.permit():
            with suppress(InvalidAnswer):
                async with flight(slot).request():
                    raise InvalidAnswer
            slot.commit()
            await anyio.sleep(3)
        return CrdFailed(failed_item(item.ref.name))

    running = engine(work, 1, settle)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run, items(9))
        await anyio.sleep(1)
        running.stop(grace_s=10)

    assert work.kinds() == Counter({CrdStarted: 1, CrdReleased: 1, CrdFailed: 1})
