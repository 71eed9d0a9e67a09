"""Scans that follow the cluster and cannot, or need not, look."""

import anyio
import pytest

from capscan.core.conditions import Stall
from capscan.core.errors import MissingPermission
from capscan.model import Phase
from capscan.scan.following import Following
from tests.fake_cluster import FakeNews
from tests.scan.cluster import Cluster
from tests.scan.followed import FOLLOW, Followed

pytestmark = pytest.mark.anyio


async def test_a_look_that_fails_starts_a_run_that_says_why() -> None:
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


async def test_a_follower_at_rest_lists_and_writes_nothing() -> None:
    """A follower at rest costs its share of one watch, and nothing else."""
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


async def test_a_missing_right_to_watch_is_in_the_status_until_it_is_granted() -> None:
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


async def test_a_scan_that_does_not_follow_needs_no_right_to_watch() -> None:
    cluster = Followed(FOLLOW, delay_s=0.1)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.news.hinder(HINDRANCE)
        await anyio.sleep(5)
        assert cluster.condition("Stalled").status == "True"
        cluster.edit({})
        await anyio.sleep(5)

    assert cluster.condition("Stalled").status == "False"


async def test_a_scan_whose_edits_are_seen_late_says_so() -> None:
    """It says so whether it follows the cluster or not."""
    cluster = Cluster(delay_s=0.1)
    async with cluster.operator() as controller:
        await anyio.sleep(60)
        for hindrance, status in ((HINDRANCE, "True"), (None, "False")):
            cluster.hindrance = hindrance
            controller.hindrance_changed()
            await anyio.sleep(5)
            assert cluster.condition("Stalled").status == status
