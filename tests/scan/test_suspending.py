"""CapabilityScans that are suspended and go on, in virtual time."""

import anyio
import pytest

from capscan.model import Phase
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio


async def test_a_suspended_run_goes_on_as_the_same_run() -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(4.5)
        cluster.edit({"parallelism": 2, "suspend": True})
        await anyio.sleep(60)
        assert cluster.phase() is Phase.SUSPENDED
        assert cluster.summary == "10/20"
        assert cluster.provider.in_flight == 0
        assert cluster.condition("Reconciling").status == "False"
        cluster.edit({"parallelism": 2})
        await anyio.sleep(60)

    run = cluster.status.run
    assert run is not None
    assert (run.id, run.resumed) == ("t1", 1)
    assert cluster.phase() is Phase.COMPLETED
    assert set(cluster.provider.asked.values()) == {1}


async def test_a_scan_that_is_created_suspended_waits() -> None:
    cluster = Cluster({"suspend": True})
    async with cluster.operator():
        await anyio.sleep(60)
        assert cluster.phases() == [Phase.SUSPENDED]
        assert not cluster.provider.asked
        cluster.edit({})
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert cluster.run_id == "t1"


async def test_suspending_a_finished_scan_leaves_it_finished() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit({"suspend": True})
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert cluster.status.observed_generation == 2


async def test_a_suspend_that_comes_with_a_rescan_holds_it_back() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit({"suspend": True, "rescan": "again"})
        await anyio.sleep(60)
        assert cluster.phase() is Phase.SUSPENDED
        assert cluster.run_id == "t1"
        cluster.edit({"rescan": "again"})
        await anyio.sleep(60)

    assert cluster.run_id == "t2"
    assert cluster.status.last_run is not None
    assert cluster.status.last_run.phase is Phase.COMPLETED


@pytest.mark.parametrize(
    ("failing", "phase"),
    [((), Phase.COMPLETED), ((3,), Phase.COMPLETED_WITH_FAILURES), ((3, 4), Phase.FAILED)],
)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_rescan_that_is_held_back_and_then_reverted_leaves_the_last_run_as_it_was(
    failing: tuple[int, ...], phase: Phase, restarted: bool
) -> None:
    """This is what `git revert` does."""
    spec = {"maxFailedPercent": 5}
    cluster = Cluster(spec, failing=failing)
    async with cluster.operator():
        await anyio.sleep(60)
        before = cluster.status
        cluster.edit(spec | {"suspend": True, "rescan": "2"})
        await anyio.sleep(5)
        assert cluster.phase() is Phase.SUSPENDED
        if not restarted:
            cluster.edit(spec)
            await anyio.sleep(5)
    if restarted:
        async with cluster.operator():
            cluster.edit(spec)
            await anyio.sleep(5)

    assert before.phase is phase
    assert cluster.phase() is phase
    assert cluster.status.message == before.message
    assert cluster.status.progress == before.progress
    assert cluster.condition("Complete").status == ("False" if phase is Phase.FAILED else "True")
    assert cluster.condition("Complete").observed_generation == 3
    assert cluster.run_id == "t1"
