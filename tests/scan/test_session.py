"""One go at a run: planning, working, stopping, and going on after a crash."""

import anyio
import pytest

from capscan.core.errors import MissingPermission, RequestRejected
from capscan.core.run.progress import Tally, progress
from capscan.model import Phase, ScanSpec
from capscan.scan.session import Session
from tests.fakes import FakeCrds, FakeProvider, crd, name_of
from tests.fakes import scan as scan_of
from tests.scan.sessions import Setting

pytestmark = pytest.mark.anyio


def rejecting(*numbers: int, delay_s: float = 0.0) -> FakeProvider:
    """Refuses these for good, each time it is asked."""
    return FakeProvider({name_of(n): [RequestRejected("no")] * 9 for n in numbers}, delay_s)


def tally(session: Session) -> Tally:
    assert session.tally is not None
    return session.tally


async def test_a_session_settles_everything_and_says_how_it_ended() -> None:
    setting = Setting()
    session = await setting.work()

    assert session.finished
    assert session.final_phase is Phase.COMPLETED
    assert (session.listed, tally(session).completed) == (5, 5)
    assert len(setting.store.by_name) == 5
    assert setting.changes == 3 * 5


async def test_nothing_is_known_before_the_listing() -> None:
    session = Setting().session()

    assert not session.planned
    assert not session.finished
    assert (session.listed, session.live.working_s, session.tally) == (0, 0.0, None)


async def test_failures_are_an_outcome() -> None:
    session = await Setting(provider=rejecting(1)).work()

    assert session.finished
    assert session.final_phase is Phase.COMPLETED_WITH_FAILURES
    assert [item.name for item in tally(session).failed_items] == [name_of(1)]


async def test_the_clock_of_a_session_starts_with_its_work() -> None:
    setting = Setting(provider=FakeProvider(delay_s=3))
    session = await setting.work()

    assert session.live.working_s == pytest.approx(3)


# -- going on


async def test_what_is_settled_is_not_asked_again_after_a_crash() -> None:
    setting = Setting(provider=rejecting(0, delay_s=1), spec=ScanSpec(parallelism=1))
    shown = await setting.killed_after(2.5)
    assert setting.provider.asked.keys() == {name_of(n) for n in range(3)}

    session = await setting.work(shown)

    assert setting.provider.asked == {name_of(n): 2 if n == 2 else 1 for n in range(5)}
    assert (tally(session).completed, tally(session).failed) == (4, 1)
    assert session.final_phase is Phase.COMPLETED_WITH_FAILURES


async def test_what_is_settled_is_not_asked_again_under_always() -> None:
    spec = ScanSpec.model_validate({"refresh": "Always", "parallelism": 1})
    setting = Setting(provider=FakeProvider(delay_s=1), spec=spec)
    await setting.work(run_id="r0")
    setting.provider.asked.clear()
    shown = await setting.killed_after(2.5)

    session = await setting.work(shown)

    assert setting.provider.asked == {name_of(n): 2 if n == 2 else 1 for n in range(5)}
    assert tally(session).completed == 5


async def test_sixty_failures_and_a_crash_leave_fifty_items_and_all_counts() -> None:
    setting = Setting(crds=FakeCrds.of(70), provider=rejecting(*range(60), delay_s=1))
    shown = await setting.killed_after(6.5)
    asked = setting.provider.asked.copy()

    session = await setting.work(shown)

    assert {name_of(n): asked[name_of(n)] for n in range(60)} == {name_of(n): 1 for n in range(60)}
    assert setting.provider.asked.keys() == {name_of(n) for n in range(70)}
    assert tally(session).failed_by_reason == {"RequestRejected": 60}
    assert len(tally(session).failed_items) == 50
    assert progress(tally(session)).summary == "70/70"


async def test_failures_that_no_status_showed_are_read_from_the_store() -> None:
    """The process died before it wrote the status."""
    setting = Setting(provider=rejecting(0, 1))
    await setting.work()

    session = await setting.work(before=None)

    items = tally(session).failed_items
    assert [(item.name, item.reason, item.message) for item in items] == [
        (name_of(n), "RequestRejected", "no") for n in range(2)
    ]
    assert setting.provider.asked == {name_of(n): 1 for n in range(5)}


async def test_a_failure_whose_capability_is_gone_is_asked_again() -> None:
    setting = Setting(provider=rejecting(0))
    shown = await setting.killed_after(60)
    setting.store.delete(name_of(0))

    session = await setting.work(shown)

    assert setting.provider.asked[name_of(0)] == 2
    assert progress(tally(session)).failed == 1


async def test_a_failure_that_was_shown_stays_an_outcome() -> None:
    """It could not be stored, and went well later: no count falls, so `failed` stays."""
    setting = Setting(provider=rejecting(0))
    setting.store.rejects = {name_of(0)}
    shown = await setting.killed_after(60)
    setting.store.rejects.clear()
    setting.provider.replies.clear()

    session = await setting.work(shown)

    assert progress(tally(session)).failed == 1
    assert session.final_phase is Phase.COMPLETED_WITH_FAILURES


async def test_a_crd_deleted_before_its_turn_is_skipped() -> None:
    setting = Setting(provider=FakeProvider(delay_s=1), spec=ScanSpec(parallelism=1))
    session = setting.session()
    await session.discover()
    setting.crds.delete(name_of(4))
    await session.scan()

    assert session.finished
    assert progress(tally(session)).summary == "5/5"
    assert tally(session).skipped == 1


# -- stopping


async def test_too_many_failures_stop_the_run() -> None:
    setting = Setting(
        crds=FakeCrds.of(10),
        provider=rejecting(0, 1, 2, delay_s=1),
        spec=ScanSpec(parallelism=1, max_failed_percent=20),
    )
    session = await setting.work()

    assert session.finished
    assert session.final_phase is Phase.FAILED
    assert setting.provider.asked.keys() == {name_of(n) for n in range(3)}
    assert tally(session).in_flight == {}


async def test_what_was_answered_when_too_many_had_failed_is_stored() -> None:
    """It is paid for."""
    setting = Setting(
        crds=FakeCrds.of(10),
        provider=rejecting(0, delay_s=1),
        spec=ScanSpec(parallelism=5, max_failed_percent=5),
    )
    session = await setting.work()

    assert session.final_phase is Phase.FAILED
    assert setting.provider.asked.total() == 5
    assert tally(session).completed == 4
    assert len(setting.store.by_name) == 5


async def test_exactly_the_percentage_does_not_stop_it() -> None:
    setting = Setting(
        crds=FakeCrds.of(10), provider=rejecting(0, 1), spec=ScanSpec(max_failed_percent=20)
    )

    assert (await setting.work()).final_phase is Phase.COMPLETED_WITH_FAILURES


async def test_what_failed_too_often_before_a_crash_asks_no_more() -> None:
    setting = Setting(
        crds=FakeCrds.of(10), provider=rejecting(0, 1, 2), spec=ScanSpec(parallelism=1)
    )
    shown = await setting.killed_after(60)
    setting.crds.add(crd("new.example.com"))
    setting.spec = ScanSpec(max_failed_percent=20)

    session = await setting.work(shown)

    assert session.final_phase is Phase.FAILED
    assert "new.example.com" not in setting.provider.asked


async def test_a_stop_releases_what_is_in_flight_and_the_run_is_not_finished() -> None:
    setting = Setting(provider=FakeProvider(delay_s=60))
    session = setting.session()
    async with anyio.create_task_group() as group:
        await session.discover()
        group.start_soon(session.scan)
        await anyio.sleep(1)
        session.stop(grace_s=3)

    assert anyio.current_time() == pytest.approx(4)
    assert not session.finished
    assert tally(session).in_flight == {}
    assert tally(session).remaining == 5


async def test_a_stop_ends_the_listing_at_once() -> None:
    setting = Setting()
    setting.crds.delay_s = 60
    session = setting.session()
    async with anyio.create_task_group() as group:
        group.start_soon(session.discover)
        await anyio.sleep(1)
        session.stop(grace_s=60)
    await session.scan()

    assert anyio.current_time() == pytest.approx(1)
    assert not session.planned
    assert not session.finished


async def test_a_session_grows_in_mid_run() -> None:
    setting = Setting(crds=FakeCrds.of(20), provider=FakeProvider(delay_s=10))
    session = setting.session()
    async with anyio.create_task_group() as group:
        await session.discover()
        group.start_soon(session.scan)
        await anyio.sleep(1)
        assert setting.provider.in_flight == 10
        setting.spec = ScanSpec(parallelism=15)
        session.obey()
        await anyio.wait_all_tasks_blocked()

        assert setting.provider.in_flight == 15


async def test_the_error_of_a_run_is_not_wrapped() -> None:
    """A ScanError among the cancellations and bugs of others is what the user must read."""
    setting = Setting()
    setting.store.denied = MissingPermission("you may not")

    with pytest.raises(MissingPermission):
        await setting.work()


# -- what no longer has a CRD


async def test_a_capability_whose_crd_is_gone_is_removed() -> None:
    setting = Setting()
    await setting.work()
    setting.crds.delete(name_of(2))

    await setting.work(run_id="r2")

    assert setting.store.removed == [name_of(2)]


async def test_a_capability_outside_the_selector_is_kept() -> None:
    setting = Setting()
    await setting.work()
    setting.spec = scan_of({"selector": {"include": [name_of(1)]}}).spec

    session = await setting.work(run_id="r2")

    assert setting.store.removed == []
    assert (tally(session).total, session.listed) == (1, 5)


async def test_a_recreated_crd_is_asked_about_again() -> None:
    """Its old Capability goes: the garbage collector would take it, new analysis and all."""
    setting = Setting()
    await setting.work()
    setting.crds.add(crd(name_of(2), uid="another"))

    session = await setting.work(run_id="r2")

    assert setting.store.removed == [name_of(2)]
    assert setting.provider.asked[name_of(2)] == 2
    assert setting.store.by_name[name_of(2)].ref.crd_uid == "another"
    assert (tally(session).completed, tally(session).unchanged) == (1, 4)


async def test_a_crd_created_between_the_two_listings_keeps_its_capability() -> None:
    """Capabilities are listed first: what is in that listing had its CRD before the other began.

    Listed the other way round, a CRD that is created and analysed by another scan in between would
    look like an orphan.
    """
    setting = Setting(crds=FakeCrds([crd(name_of(0))]))
    await setting.work()
    late = setting.store.by_name.pop(name_of(0))
    setting.crds.delete(name_of(0))
    listings = 0

    def second_listing() -> None:
        nonlocal listings
        listings += 1
        if listings == 2:
            setting.crds.add(crd(name_of(0)))
            setting.store.by_name[name_of(0)] = late

    setting.crds.on_list = setting.store.on_list = second_listing
    await setting.work(run_id="r2")

    assert listings == 2
    assert setting.store.removed == []
    assert name_of(0) in setting.store.by_name
