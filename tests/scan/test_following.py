"""Scans that keep up with the cluster, in virtual time."""

import anyio
import pytest

from capscan.core.conditions import Stall
from capscan.core.errors import MissingPermission
from capscan.model import Phase, Trigger
from capscan.scan.following import Following
from tests.fakes import FakeNews, crd, name_of
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio

FOLLOW = {"follow": True}
NEW = name_of(900)
OTHER_SCHEMA = {"type": "object", "description": "New."}


class Followed(Cluster):
    """A cluster whose changes are news."""

    def add(self, n: int) -> None:
        self.crds.add(crd(name_of(n)))
        self.news.change()


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

    assert cluster.run_id == "t1-t2"
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


async def test_what_failed_does_not_make_a_run_again_and_again() -> None:
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


async def test_what_cannot_be_looked_up_is_told_by_a_run() -> None:
    cluster = Followed(FOLLOW)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.crds.denied = MissingPermission("add a rule")
        cluster.add(900)
        await anyio.sleep(60)
        assert cluster.condition("Stalled").reason == "MissingPermission"
        cluster.crds.denied = None
        await anyio.sleep(60)

    assert cluster.run_id == "t1-t2"
    assert cluster.phase() is Phase.COMPLETED


async def test_an_edit_does_not_wait_for_a_slow_look() -> None:
    cluster = Followed(FOLLOW)
    async with cluster.operator() as controller:
        await anyio.sleep(60)
        cluster.crds.delay_s = 1000
        cluster.add(900)
        await anyio.sleep(30)
        cluster.edit(FOLLOW | {"parallelism": 3})
        await anyio.sleep(1)
        assert cluster.status.observed_generation == 2
        controller.close(grace_s=1)
        await anyio.sleep(1)
        assert cluster.news.tell is None


async def test_a_scan_that_does_nothing_is_not_looked_after() -> None:
    """Neither listings nor writes: a follower at rest costs its share of one watch."""
    cluster = Followed(FOLLOW)
    listings = 0

    def count() -> None:
        nonlocal listings
        listings += 1

    async with cluster.operator():
        await anyio.sleep(60)
        cluster.crds.on_list = cluster.store.on_list = count
        await anyio.sleep(24 * 3600)

    assert listings == 0


async def test_all_followers_share_one_watch() -> None:
    news, told = FakeNews(), []
    following = Following(news)
    async with anyio.create_task_group() as group:
        group.start_soon(following.run)
        following.join("a", lambda: told.append("a"))
        following.join("a", lambda: told.append("again"))
        await anyio.sleep(10)
        assert told == ["a"]
        following.join("b", lambda: told.append("b"))
        assert told == ["a", "b"]
        news.change()
        await anyio.sleep(10)
        assert sorted(told) == ["a", "a", "b", "b"]
        following.leave("a")
        following.leave("nobody")
        await anyio.sleep(1)
        assert news.watches == 1
        following.leave("b")
        await anyio.sleep(1)
        assert news.tell is None
        following.join("c", lambda: told.append("c"))
        await anyio.sleep(10)
        group.cancel_scope.cancel()

    assert (news.watches, told[-1]) == (2, "c")


HINDRANCE = Stall("MissingPermission", "add the verb watch")


async def test_a_right_that_is_missing_is_in_the_status_until_it_is_there() -> None:
    """The run is done, and its answers stand; but the next one will begin late."""
    cluster = Followed(FOLLOW, delay_s=1)
    async with cluster.operator():
        await anyio.sleep(0.5)
        cluster.news.hinder(HINDRANCE)
        await anyio.sleep(0.5)
        assert cluster.condition("Reconciling").status == "True"
        assert cluster.condition("Stalled").status == "False"
        await anyio.sleep(60)

        stalled = cluster.condition("Stalled")
        assert (stalled.status, stalled.reason) == ("True", "MissingPermission")
        assert stalled.message == cluster.status.message == "add the verb watch"
        assert cluster.condition("Ready").status == "True"
        assert cluster.condition("Ready").message == "20 CRDs: 20 analysed."
        assert cluster.condition("Accepted").status == "True"

        cluster.news.hinder(None)
        await anyio.sleep(5)
        assert cluster.condition("Stalled").status == "False"
        assert cluster.status.message == "20 CRDs: 20 analysed."
    assert cluster.run_id == "t1"


async def test_a_scan_that_does_not_follow_does_not_miss_the_right() -> None:
    cluster = Followed(FOLLOW, delay_s=0.1)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.news.hinder(HINDRANCE)
        await anyio.sleep(5)
        assert cluster.condition("Stalled").status == "True"
        cluster.edit({})
        await anyio.sleep(5)

    assert cluster.condition("Stalled").status == "False"


async def test_a_scan_of_which_edits_are_not_seen_in_time_says_so() -> None:
    """Whether it follows or not."""
    cluster = Cluster(delay_s=0.1)
    async with cluster.operator() as controller:
        await anyio.sleep(60)
        for hindrance, status in ((HINDRANCE, "True"), (None, "False")):
            cluster.hindrance = hindrance
            controller.hindrance_changed()
            await anyio.sleep(5)
            assert cluster.condition("Stalled").status == status
