"""Bounded workers: how many at once, when they stop, what they report."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import pytest

from capscan.core.errors import (
    InferenceError,
    InferenceTimeout,
    InvalidAnswer,
    MissingPermission,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnreachable,
    RateLimited,
)
from capscan.core.run.events import (
    CrdFailed,
    CrdReleased,
    CrdScanned,
    CrdSkipped,
    CrdStarted,
    Ending,
    ScanEvent,
    Settled,
)
from capscan.core.run.plan import PlannedItem
from capscan.model import Usage
from capscan.scan.engine import AHEAD_MAX, Engine, Settle, Slot
from tests.fakes import failed_item, flight, name_of, ref

pytestmark = pytest.mark.anyio


def items(count: int) -> list[PlannedItem]:
    return [PlannedItem(ref(name_of(n)), "key") for n in range(count)]


@asynccontextmanager
async def flying(slot: Slot) -> AsyncIterator[None]:
    """One request that is under way as soon as it may be."""
    async with slot.permit(), flight(slot).request():
        yield


class Work:
    """What an engine is given to do: each item takes `takes_s`."""

    def __init__(self, takes_s: float = 1.0) -> None:
        self.takes_s = takes_s
        self.in_flight = 0
        self.in_flight_max = 0
        self.begun = 0
        self.events: list[ScanEvent] = []

    async def __call__(self, item: PlannedItem, slot: Slot) -> Settled:
        async with flying(slot):
            self.begun += 1
            self.in_flight += 1
            self.in_flight_max = max(self.in_flight_max, self.in_flight)
            try:
                await anyio.sleep(self.takes_s)
            finally:
                self.in_flight -= 1
        return CrdScanned(item.ref.name)

    def kinds(self) -> Counter[type[ScanEvent]]:
        return Counter(type(event) for event in self.events)


def engine(work: Work, parallelism: int, settle: Settle | None = None) -> Engine:
    return Engine(settle or work, work.events.append, parallelism)


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


async def test_more_are_started_at_once_when_it_grows() -> None:
    work = Work(takes_s=10)
    running = engine(work, 2)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run, items(8))
        await anyio.sleep(1)
        running.resize(5)
        await anyio.wait_all_tasks_blocked()

        assert work.in_flight == 5
    assert work.in_flight_max == 5


async def test_none_is_started_until_fewer_are_left_when_it_shrinks() -> None:
    """Those that are in flight go on: what they cost is spent."""
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


async def test_growing_again_while_too_many_are_in_flight_starts_none() -> None:
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
    """What is under way is paid for: it has three seconds."""
    work, short = Work(takes_s=60), Work(takes_s=2)

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
    assert anyio.current_time() == 4


async def test_a_cancelled_run_releases_everything() -> None:
    """What a deleted scan does: no item is left open, no permit held."""
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


async def test_a_few_more_get_ready_while_the_others_are_in_flight() -> None:
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
    """For its first request, or between two."""
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


async def test_a_stop_in_the_very_moment_before_a_request_keeps_it_from_being_sent() -> None:
    """An item that was let through already, and has only not run on yet."""
    work, turn = Work(), anyio.Event()

    async def settle(item: PlannedItem, slot: Slot) -> Settled:
        async with slot.permit():
            await turn.wait()
            async with flight(slot).request():
                work.begun += 1
                await anyio.sleep(1)
        return CrdSkipped(item.ref.name)

    running = engine(work, 2, settle)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run, items(2))
        await anyio.sleep(1)
        turn.set()
        running.stop(grace_s=60)

    assert work.begun == 0
    assert work.events == []


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


async def test_the_end_of_a_request_says_what_it_took_and_cost() -> None:
    work = Work()

    async def settle(item: PlannedItem, slot: Slot) -> Settled:
        async with flight(slot).request() as request:
            await anyio.sleep(2.5)
            request.usage = Usage(requests=1, input_tokens=70)
        return CrdScanned(item.ref.name)

    await engine(work, 1, settle).run(items(1))

    released = [event for event in work.events if isinstance(event, CrdReleased)]
    assert released == [CrdReleased(name_of(0), 2.5, ending=Ending.ANSWERED, usage=Usage(1, 70))]


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (InvalidAnswer(), Ending.FAILED),
        (ProviderFailed(), Ending.FAILED),
        (InferenceTimeout(), Ending.FAILED),
        (RateLimited(), Ending.REFUSED),
        (ProviderOverloaded(), Ending.REFUSED),
        (ProviderUnreachable(), Ending.REFUSED),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_provider_that_was_not_there_says_nothing_of_the_next_request(
    error: InferenceError, ending: Ending
) -> None:
    """Neither how long it takes nor how often one is asked again."""
    work = Work()

    async def settle(item: PlannedItem, slot: Slot) -> Settled:
        with suppress(InferenceError):
            async with flight(slot).request():
                raise error
        return CrdSkipped(item.ref.name)

    await engine(work, 1, settle).run(items(1))

    (released,) = (event for event in work.events if isinstance(event, CrdReleased))
    assert released.ending is ending
