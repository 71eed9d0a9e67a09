"""Operators that end, die, and take runs up again, in virtual time."""

import anyio
import pytest

from capscan.model import Phase
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("after_s", [0, 0.5, 1.5, 4.5, 8.5, 9.99])
async def test_after_a_kill_the_run_goes_on_and_no_count_falls(after_s: float) -> None:
    cluster = Cluster({"parallelism": 2, "progressInterval": "1s"}, failing=(1, 5))
    async with cluster.operator():
        await anyio.sleep(after_s)
    settled = len(cluster.store.written)
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.run_id == ("t1" if after_s else "t2")
    assert cluster.phase() is Phase.COMPLETED_WITH_FAILURES
    assert cluster.summary == "20/20"
    in_flight_when_killed = 2
    assert cluster.provider.asked.total() <= 20 + in_flight_when_killed
    assert len(cluster.store.written) == 20 >= settled
    shown = [status.progress for _, status in cluster.sink.versions if status.progress]
    for counts in ("total", "completed", "failed"):
        values = [getattr(one, counts) for one in shown]
        assert values == sorted(values)


async def test_a_resumed_run_says_so() -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(3.5)
    async with cluster.operator():
        await anyio.sleep(60)

    run = cluster.status.run
    assert run is not None
    assert (run.resumed, run.owner) == (1, "operator-2")


async def test_a_finished_scan_is_left_alone_by_the_next_operator() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
    written = len(cluster.sink.versions)
    async with cluster.operator():
        await anyio.sleep(60)

    assert len(cluster.sink.versions) == written
    assert cluster.provider.asked.total() == 20


async def test_an_operator_that_ends_lets_items_finish_and_writes_the_last_status() -> None:
    cluster = Cluster({"parallelism": 2, "progressInterval": "60s"})
    async with cluster.operator() as controller:
        await anyio.sleep(4.5)
        controller.close(grace_s=8)
        await anyio.sleep(1)
        at = anyio.current_time()
        await anyio.sleep(60)

        assert cluster.summary == "10/20"
        assert cluster.phase() is Phase.SCANNING
        assert cluster.status.progress is not None
        assert cluster.status.progress.in_flight == 0
        assert cluster.sink.versions[-1][0] < at
    async with cluster.operator():
        await anyio.sleep(60)
    assert set(cluster.provider.asked.values()) == {1}


async def test_an_operator_that_ends_gives_up_items_after_the_grace() -> None:
    cluster = Cluster(delay_s=1000)
    async with cluster.operator() as controller:
        await anyio.sleep(5)
        controller.close(grace_s=8)
        await anyio.sleep(8.1)

        assert cluster.provider.in_flight == 0
        assert cluster.sink.versions[-1][0] == pytest.approx(13)


async def test_a_scan_at_rest_does_not_keep_an_operator_from_ending() -> None:
    cluster = Cluster()
    async with anyio.create_task_group() as group:
        async with cluster.operator() as controller:
            await anyio.sleep(60)
            controller.close(grace_s=8)
        group.cancel_scope.cancel()

    assert cluster.phase() is Phase.COMPLETED
