"""Scans that keep up with the cluster, in virtual time."""

import anyio
import pytest

from capscan.model import Phase, Trigger
from tests.fakes import crd, name_of
from tests.scan.followed import FOLLOW, NEW, OTHER_SCHEMA, Followed

pytestmark = pytest.mark.anyio


async def test_a_crd_that_is_added_is_asked_about_within_seconds() -> None:
    cluster = Followed(FOLLOW, delay_s=0.1)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.provider.asked.clear()
        cluster.add(900)
        await anyio.sleep(4.9)
        assert cluster.run_id == "t1"
        await anyio.sleep(2)

    assert cluster.provider.asked == {NEW: 1}
    assert cluster.status.run is not None
    assert cluster.status.run.trigger is Trigger.FOLLOW
    assert cluster.phase() is Phase.COMPLETED
    assert cluster.summary == "21/21"


async def test_many_crds_that_come_together_are_one_run() -> None:
    cluster = Followed(FOLLOW, delay_s=0.1)
    async with cluster.operator():
        await anyio.sleep(60)
        for n in range(100, 140):
            cluster.add(n)
            await anyio.sleep(0.5)
        await anyio.sleep(30)

    assert cluster.run_id == "t1-t2"
    assert cluster.summary == "60/60"


async def test_changes_that_never_end_are_not_waited_for() -> None:
    cluster = Followed(FOLLOW, delay_s=0.1)
    async with cluster.operator():
        await anyio.sleep(60)
        for n in range(100, 135):
            cluster.add(n)
            await anyio.sleep(1)

        assert cluster.run_id == "t1-t2"


async def test_what_changes_during_a_run_is_looked_at_after_it() -> None:
    cluster = Followed(FOLLOW | {"parallelism": 1}, delay_s=1)
    async with cluster.operator():
        await anyio.sleep(10)
        cluster.add(900)
        await anyio.sleep(60)

    assert cluster.run_id == "t1-t2"
    assert cluster.summary == "21/21"
    assert set(cluster.provider.asked.values()) == {1}


async def test_a_run_that_would_find_nothing_to_do_does_not_begin() -> None:
    """A CRD that is gone together with its Capability, or a label that decides nothing."""
    cluster = Followed(FOLLOW)
    async with cluster.operator():
        await anyio.sleep(60)
        before, written = cluster.status, len(cluster.sink.versions)
        cluster.crds.delete(name_of(3))
        cluster.store.delete(name_of(3))
        cluster.crds.labels[name_of(4)] = {"team": "db"}
        cluster.news.change()
        await anyio.sleep(60)

    assert cluster.status == before
    assert len(cluster.sink.versions) == written


async def test_the_capability_of_a_crd_that_is_removed_goes() -> None:
    cluster = Followed(FOLLOW)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.crds.delete(name_of(3))
        cluster.news.change()
        await anyio.sleep(60)

    assert cluster.store.removed == [name_of(3)]
    assert cluster.summary == "19/19"


async def test_a_schema_whose_digest_is_the_same_costs_nothing() -> None:
    cluster = Followed(FOLLOW)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.provider.asked.clear()
        cluster.crds.add(crd(name_of(3), generation=2))
        cluster.news.change()
        await anyio.sleep(60)

    assert cluster.run_id == "t1"
    assert not cluster.provider.asked


@pytest.mark.parametrize("refresh", ["IfChanged", "Always"])
async def test_only_what_changed_is_asked_about(refresh: str) -> None:
    cluster = Followed(FOLLOW | {"refresh": refresh})
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.provider.asked.clear()
        cluster.crds.add(crd(name_of(3), generation=2, schema=OTHER_SCHEMA))
        cluster.news.change()
        await anyio.sleep(60)
        cluster.news.change()
        await anyio.sleep(60)

    assert cluster.provider.asked == {name_of(3): 1}
    assert cluster.run_id == "t1-t2"


async def test_a_label_can_move_a_crd_into_the_selection() -> None:
    cluster = Followed(FOLLOW | {"selector": {"matchLabels": {"team": "db"}}})
    async with cluster.operator():
        await anyio.sleep(60)
        assert not cluster.provider.asked
        cluster.crds.labels[name_of(4)] = {"team": "db"}
        cluster.news.change()
        await anyio.sleep(60)
        assert cluster.summary == "1/1"
        cluster.crds.labels.clear()
        cluster.news.change()
        await anyio.sleep(60)

    assert cluster.provider.asked == {name_of(4): 1}
    assert cluster.run_id == "t1-t2"


async def test_a_failed_crd_does_not_start_runs_again_and_again() -> None:
    cluster = Followed(FOLLOW, failing=(3,))
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.news.change()
        await anyio.sleep(60)

    assert cluster.run_id == "t1"


async def test_what_changed_while_the_operator_was_away_is_found() -> None:
    cluster = Followed(FOLLOW)
    async with cluster.operator():
        await anyio.sleep(60)
    cluster.crds.add(crd(NEW))
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.run_id == "t1-t2"
    assert cluster.summary == "21/21"


async def test_following_can_be_switched_on_and_off() -> None:
    cluster = Followed()
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.add(900)
        await anyio.sleep(60)
        assert (cluster.run_id, cluster.news.watches) == ("t1", 0)
        cluster.edit(FOLLOW)
        await anyio.sleep(60)
        assert (cluster.run_id, cluster.news.watches) == ("t1-t2", 1)
        cluster.edit({})
        await anyio.sleep(60)
        assert cluster.news.tell is None
        cluster.add(901)
        await anyio.sleep(60)

    assert cluster.run_id == "t1-t2"


async def test_a_suspended_scan_looks_when_it_goes_on() -> None:
    cluster = Followed(FOLLOW)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit(FOLLOW | {"suspend": True})
        await anyio.sleep(5)
        cluster.add(900)
        await anyio.sleep(60)
        assert (cluster.run_id, cluster.phase()) == ("t1", Phase.COMPLETED)
        cluster.edit(FOLLOW)
        await anyio.sleep(60)

    assert cluster.run_id == "t1-t2"


@pytest.mark.parametrize("refresh", ["IfChanged", "Always"])
async def test_a_crd_whose_question_stays_the_same_starts_no_run(refresh: str) -> None:
    """A controller writes another CA bundle into it every few seconds."""
    cluster = Followed(FOLLOW | {"refresh": refresh}, delay_s=0.1)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.provider.asked.clear()
        versions = len(cluster.sink.versions)
        for generation in range(2, 60):
            cluster.crds.add(crd(name_of(3), generation=generation))
            cluster.news.change()
            await anyio.sleep(3)
        await anyio.sleep(60)

    assert not cluster.provider.asked
    assert cluster.run_id == "t1"
    assert len(cluster.sink.versions) == versions
    # What was found is kept, so that it is not looked for again.
    assert cluster.store.by_name[name_of(3)].capability.provenance
    assert len(cluster.store.written) < 20 + 15


async def test_a_question_that_changes_beside_one_that_does_not_starts_a_run() -> None:
    cluster = Followed(FOLLOW, delay_s=0.1)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.provider.asked.clear()
        cluster.crds.add(crd(name_of(3), generation=2))
        cluster.crds.add(crd(name_of(4), generation=2, schema=OTHER_SCHEMA))
        cluster.news.change()
        await anyio.sleep(60)

    assert cluster.provider.asked == {name_of(4): 1}
    assert cluster.run_id == "t1-t2"
