"""Sessions that stop, or are stopped."""

import anyio
import pytest

from capscan.core.errors import MissingPermission
from capscan.model import Phase, ScanSpec
from tests.fake_cluster import FakeCrds
from tests.fakes import FakeProvider, crd, name_of
from tests.scan.sessions import Setting, rejecting, tally

pytestmark = pytest.mark.anyio


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


async def test_answers_under_way_when_too_many_failed_are_stored() -> None:
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


async def test_failures_of_exactly_the_allowed_percentage_do_not_stop_a_run() -> None:
    setting = Setting(
        crds=FakeCrds.of(10), provider=rejecting(0, 1), spec=ScanSpec(max_failed_percent=20)
    )

    assert (await setting.work()).final_phase is Phase.COMPLETED_WITH_FAILURES


async def test_a_run_that_failed_too_often_before_a_crash_asks_no_more() -> None:
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
