"""Sessions that go on after a crash."""

import pytest

from capscan.core.run.progress import progress
from capscan.model import Phase, ScanSpec
from tests.fake_cluster import FakeCrds
from tests.fakes import FakeProvider, name_of
from tests.scan.sessions import Setting, rejecting, tally

pytestmark = pytest.mark.anyio


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


async def test_a_failure_that_a_status_showed_keeps_counting() -> None:
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
