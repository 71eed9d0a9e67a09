"""One go at a run: planning, working, and what no longer has a CRD."""

import pytest

from capscan.model import Phase
from tests.fake_cluster import FakeCrds
from tests.fakes import FakeProvider, crd, name_of
from tests.fakes import scan as scan_of
from tests.scan.sessions import Setting, rejecting, tally

pytestmark = pytest.mark.anyio


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


async def test_a_run_with_failures_completes_with_failures() -> None:
    session = await Setting(provider=rejecting(1)).work()

    assert session.finished
    assert session.final_phase is Phase.COMPLETED_WITH_FAILURES
    assert [item.name for item in tally(session).failed_items] == [name_of(1)]


async def test_the_clock_of_a_session_starts_with_its_work() -> None:
    setting = Setting(provider=FakeProvider(delay_s=3))
    session = await setting.work()

    assert session.live.working_s == pytest.approx(3)


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


async def test_the_capability_of_a_recreated_crd_is_adopted_without_a_question() -> None:
    """It has the new CRD as its owner in the same write, so that no garbage collector takes it."""
    setting = Setting()
    await setting.work()
    setting.crds.add(crd(name_of(2), uid="another"))

    session = await setting.work(run_id="r2")

    assert setting.store.removed == []
    assert setting.provider.asked[name_of(2)] == 1
    assert setting.store.by_name[name_of(2)].ref.crd_uid == "another"
    assert (tally(session).completed, tally(session).unchanged) == (0, 5)


async def test_a_recreated_crd_of_another_schema_is_asked_about_again() -> None:
    setting = Setting()
    await setting.work()
    other = {"type": "object", "description": "Another."}
    setting.crds.add(crd(name_of(2), uid="another", schema=other))

    session = await setting.work(run_id="r2")

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
