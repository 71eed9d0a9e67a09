"""A run of one CapabilityScan from its start to its end, in virtual time."""

import anyio
import pytest

from capscan.model import Phase, Trigger
from tests.fakes import name_of
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio


async def test_a_scan_that_is_created_runs_to_its_end() -> None:
    cluster = Cluster({"parallelism": 5})
    async with cluster.operator():
        await anyio.sleep(10)

    assert cluster.phases() == [Phase.DISCOVERING, Phase.SCANNING, Phase.COMPLETED]
    assert cluster.summary == "20/20"
    assert cluster.condition("Complete").status == "True"
    run = cluster.status.run
    assert run is not None
    assert (run.id, run.trigger, run.owner) == ("t1", Trigger.CREATED, "operator-1")
    assert run.duration is not None
    assert run.duration.total_seconds() == pytest.approx(4)
    assert cluster.provider.asked.total() == len(cluster.store.written) == 20


async def test_while_it_works_the_status_says_what_is_going_on() -> None:
    cluster = Cluster({"parallelism": 2, "progressInterval": "3s"}, delay_s=0.8)
    async with cluster.operator():
        await anyio.sleep(6.5)

        assert cluster.summary == "14/20"
        assert cluster.status.in_flight == [name_of(14), name_of(15)]
        assert cluster.status.eta == "3s"
        assert cluster.condition("Reconciling").status == "True"


async def test_nothing_of_the_work_is_left_in_the_status_of_a_finished_run() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.status.eta is None
    assert cluster.status.in_flight is None
    assert cluster.status.estimated_completion_time is None


async def test_failed_items_are_named_in_the_status() -> None:
    cluster = Cluster(failing=(3, 4))
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED_WITH_FAILURES
    assert {item.name for item in cluster.status.failed_items or ()} == {name_of(3), name_of(4)}
    assert cluster.condition("Ready").reason == "SomeItemsFailed"


async def test_too_many_failures_end_the_run_for_good() -> None:
    cluster = Cluster({"maxFailedPercent": 5, "parallelism": 1}, failing=(0, 1))
    async with cluster.operator():
        await anyio.sleep(600)

    assert cluster.phase() is Phase.FAILED
    assert cluster.condition("Stalled").status == "True"
    assert cluster.provider.asked.total() == 2


async def test_a_selector_that_matches_nothing_is_completed() -> None:
    cluster = Cluster({"selector": {"include": ["nothing.*"]}})
    async with cluster.operator():
        await anyio.sleep(10)

    assert cluster.phase() is Phase.COMPLETED
    assert cluster.status.message is not None
    assert cluster.status.message.startswith("0 of 20 CRDs match")


@pytest.mark.parametrize("interval_s", [1, 5])
async def test_the_status_is_written_once_per_interval_and_at_changes_of_phase(
    interval_s: int,
) -> None:
    cluster = Cluster(
        {"parallelism": 3, "progressInterval": f"{interval_s}s"}, crds=150, delay_s=0.7
    )
    async with cluster.operator():
        await anyio.sleep(60)
    run = cluster.status.run

    assert run is not None
    assert run.duration is not None
    took_s = run.duration.total_seconds()
    assert took_s == pytest.approx(35)
    assert took_s / interval_s <= len(cluster.sink.versions) <= took_s / interval_s + 4


async def test_a_scan_at_rest_is_not_written() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        written = len(cluster.sink.versions)
        await anyio.sleep(3600)

    assert len(cluster.sink.versions) == written
