"""What a flight tells the run of its requests."""

from contextlib import suppress

import anyio
import pytest

from capscan.core.errors import (
    InferenceError,
    InferenceTimeout,
    InvalidAnswer,
    ItemTimeout,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnreachable,
    RateLimited,
)
from capscan.core.run.events import CrdReleased, CrdScanned, CrdSkipped, CrdStarted, Ending, Settled
from capscan.core.run.plan import PlannedItem
from capscan.model import Usage
from capscan.scan.engine import Slot
from capscan.scan.flight import Flight
from tests.fakes import FreeSlot, flight, name_of
from tests.scan.engines import Work, engine, items

pytestmark = pytest.mark.anyio


async def test_a_stop_in_the_very_moment_before_a_request_keeps_it_from_being_sent() -> None:
    """The item was let through already, and its task has only not run on yet."""
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
async def test_the_end_of_a_failed_request_says_whether_the_provider_looked_at_it(
    error: InferenceError, ending: Ending
) -> None:
    """A refusal says neither how long a request takes nor how often one is asked again."""
    work = Work()

    async def settle(item: PlannedItem, slot: Slot) -> Settled:
        with suppress(InferenceError):
            async with flight(slot).request():
                raise error
        return CrdSkipped(item.ref.name)

    await engine(work, 1, settle).run(items(1))

    (released,) = (event for event in work.events if isinstance(event, CrdReleased))
    assert released.ending is ending


async def test_a_flight_sums_up_what_its_requests_took() -> None:
    slot = FreeSlot()
    about = flight(slot)
    for tokens in (70, 30):
        async with about.request() as request:
            request.usage = Usage(requests=1, input_tokens=tokens)

    assert about.usage == Usage(requests=2, input_tokens=100)
    assert slot.usages == [Usage(1, 70), Usage(1, 30)]


async def test_a_request_beyond_the_limit_is_given_up_and_no_other_begins() -> None:
    slot = FreeSlot()
    about = Flight(slot, lambda: 10.0)
    await about.pause(4)
    with pytest.raises(ItemTimeout):
        async with about.request():
            await anyio.sleep(60)
    with pytest.raises(ItemTimeout):
        async with about.request():
            raise AssertionError

    assert anyio.current_time() == pytest.approx(10)
    assert [type(event) for event in slot.events] == [CrdStarted, CrdReleased]


async def test_time_between_two_requests_is_not_counted() -> None:
    about = Flight(FreeSlot(), lambda: 10.0)
    async with about.request():
        await anyio.sleep(4)
    await anyio.sleep(3600)

    assert about.left_s == pytest.approx(6)


async def test_a_scope_is_cancelled_at_once_where_no_request_is_under_way() -> None:
    about = flight()
    with anyio.CancelScope() as scope:
        about.cancel_between_requests(scope)
        await anyio.sleep(60)

    assert anyio.current_time() == 0


async def test_a_scope_is_cancelled_when_the_request_under_way_has_ended() -> None:
    about, ended = flight(), False
    with anyio.CancelScope() as scope:
        async with about.request():
            about.cancel_between_requests(scope)
            await anyio.sleep(10)
            ended = True
        await anyio.sleep(60)

    assert ended
    assert anyio.current_time() == pytest.approx(10)
    async with about.request():
        await anyio.sleep(1)  # the next one is not concerned
