"""Runs that a schedule starts, in virtual time: it begins at midnight, UTC."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

from capscan.model import Phase, Trigger
from tests.scan.cluster import Cluster
from tests.virtual import EPOCH

pytestmark = pytest.mark.anyio

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
NIGHTLY = {"schedule": "0 3 * * *"}


def runs(cluster: Cluster) -> list[str]:
    """Ids of the runs that were begun, in order."""
    ids = [status.run.id for _, status in cluster.sink.versions if status.run]
    return list(dict.fromkeys(ids))


async def test_a_schedule_starts_runs_at_its_times() -> None:
    cluster = Cluster(NIGHTLY)
    async with cluster.operator():
        await anyio.sleep(60)
        assert cluster.status.next_schedule_time == EPOCH + timedelta(hours=3)
        await anyio.sleep(2 * DAY_S)

    run = cluster.status.run
    assert run is not None
    assert runs(cluster) == ["t1", "t2", "t3"]
    assert run.trigger is Trigger.SCHEDULED
    assert run.start_time == EPOCH + timedelta(days=1, hours=3)
    assert cluster.status.next_schedule_time == EPOCH + timedelta(days=2, hours=3)
    assert cluster.phase() is Phase.COMPLETED


async def test_a_time_zone_is_obeyed() -> None:
    cluster = Cluster(NIGHTLY | {"timeZone": "Asia/Tokyo"})
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.status.next_schedule_time == EPOCH + timedelta(hours=18)


async def test_times_that_were_missed_while_the_operator_was_away_make_one_run() -> None:
    cluster = Cluster(NIGHTLY)
    async with cluster.operator():
        await anyio.sleep(60)
    await anyio.sleep(5 * DAY_S)
    async with cluster.operator():
        await anyio.sleep(HOUR_S)

    assert runs(cluster) == ["t1", "t2"]
    assert cluster.status.next_schedule_time == EPOCH + timedelta(days=5, hours=3)


async def test_an_operator_that_was_away_between_two_times_starts_nothing() -> None:
    cluster = Cluster(NIGHTLY)
    async with cluster.operator():
        await anyio.sleep(4 * HOUR_S)
    await anyio.sleep(HOUR_S)
    async with cluster.operator():
        await anyio.sleep(HOUR_S)

    assert runs(cluster) == ["t1", "t2"]


async def test_times_that_were_missed_while_suspended_make_one_run() -> None:
    """Until then the scan stays as it was: what nobody edited must not turn from Ready."""
    cluster = Cluster(NIGHTLY)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit(NIGHTLY | {"suspend": True})
        await anyio.sleep(HOUR_S)
        assert cluster.phase() is Phase.COMPLETED
        written = len(cluster.sink.versions)
        await anyio.sleep(5 * DAY_S)
        assert cluster.phase() is Phase.COMPLETED
        assert len(cluster.sink.versions) == written
        cluster.edit(NIGHTLY)
        await anyio.sleep(HOUR_S)

    assert runs(cluster) == ["t1", "t2"]
    assert cluster.phase() is Phase.COMPLETED


async def test_a_schedule_that_is_removed_forgets_what_was_missed() -> None:
    cluster = Cluster(NIGHTLY)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit(NIGHTLY | {"suspend": True})
        await anyio.sleep(DAY_S)
        cluster.edit({"suspend": True})
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert cluster.status.next_schedule_time is None
    assert cluster.status.last_handled_schedule is None


async def test_a_run_that_takes_longer_than_the_schedule_is_followed_by_one() -> None:
    """A run of 200 seconds is due every minute: each begins when the one before has ended."""
    cluster = Cluster(
        {"schedule": "* * * * *", "parallelism": 1, "refresh": "Always"}, crds=20, delay_s=10
    )
    async with cluster.operator():
        await anyio.sleep(1050)

    assert runs(cluster) == ["t1", "t2", "t3", "t4", "t5", "t6"]
    assert cluster.provider.in_flight_max == 1
    assert cluster.provider.asked.total() == 105


@pytest.mark.parametrize("edit", [{"schedule": "0 1 * * *"}, {"schedule": "0 3 * * 1"}, {}])
@pytest.mark.parametrize("away", [False, True])
async def test_editing_the_schedule_starts_nothing(edit: dict[str, Any], *, away: bool) -> None:
    cluster = Cluster(NIGHTLY)
    async with cluster.operator():
        await anyio.sleep(2 * HOUR_S)
        if not away:
            cluster.edit(edit)
        await anyio.sleep(60)
    if away:
        await anyio.sleep(2 * HOUR_S)  # and the old time passes
        async with cluster.operator():
            cluster.edit(edit)
            await anyio.sleep(60)

    assert cluster.run_id == "t1"
    assert cluster.status.observed_generation == 2
    assert cluster.phase() is Phase.COMPLETED


async def test_a_run_for_another_reason_handles_what_was_missed_too() -> None:
    cluster = Cluster(NIGHTLY)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit(NIGHTLY | {"suspend": True})
        await anyio.sleep(DAY_S)
        cluster.edit(NIGHTLY | {"rescan": "again"})
        await anyio.sleep(60)

    assert runs(cluster) == ["t1", "t2"]
    assert cluster.status.run is not None
    assert cluster.status.run.trigger is Trigger.RESCAN


async def test_a_schedule_that_cannot_be_read_is_told_and_heals() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        before = cluster.status
        cluster.edit({"schedule": "99 * * * *"})
        await anyio.sleep(60)
        accepted, stalled = cluster.condition("Accepted"), cluster.condition("Stalled")
        assert (accepted.status, accepted.reason) == ("False", "InvalidSchedule")
        assert (stalled.status, stalled.reason) == ("True", "InvalidSchedule")
        assert cluster.condition("Complete").status == "True"
        assert cluster.status.message == stalled.message
        assert "spec.schedule: '99 * * * *' has a wrong minute" in stalled.message
        assert (cluster.run_id, cluster.phase()) == ("t1", Phase.COMPLETED)
        cluster.edit({"schedule": "9 * * * *"})
        await anyio.sleep(60)

        assert cluster.status.message == before.message
        assert cluster.condition("Stalled").status == "False"
        assert cluster.condition("Accepted").status == "True"
        await anyio.sleep(HOUR_S)
    assert runs(cluster) == ["t1", "t2"]


async def test_a_schedule_that_cannot_be_read_disturbs_no_run() -> None:
    cluster = Cluster({"timeZone": "Mars/Olympus"} | NIGHTLY, delay_s=20)
    async with cluster.operator():
        await anyio.sleep(5)
        assert cluster.condition("Reconciling").status == "True"
        assert cluster.condition("Stalled").status == "False"
        assert cluster.condition("Accepted").status == "False"
        await anyio.sleep(100)

        assert (cluster.phase(), cluster.summary) == (Phase.COMPLETED, "20/20")
        assert cluster.condition("Stalled").reason == "InvalidSchedule"
        written = len(cluster.sink.versions)
        cluster.edit({"timeZone": "Mars/Olympus", "rescan": "x"} | NIGHTLY)
        await anyio.sleep(100)
        assert cluster.run_id == "t2"
        await anyio.sleep(HOUR_S)
        assert len(cluster.sink.versions) < written + 10


async def test_a_wrong_time_zone_is_told_even_without_a_schedule() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit({"timeZone": "Mars/Olympus"})
        await anyio.sleep(60)
        stalled = cluster.condition("Stalled")
        assert (stalled.status, stalled.reason) == ("True", "InvalidSchedule")
        assert "spec.timeZone: there is no zone 'Mars/Olympus'" in stalled.message
        assert cluster.phase() is Phase.COMPLETED
        cluster.edit({"timeZone": "Europe/Berlin"})
        await anyio.sleep(60)

        assert cluster.condition("Stalled").status == "False"
        assert runs(cluster) == ["t1"]


async def test_a_scheduled_scan_at_rest_is_not_written() -> None:
    cluster = Cluster(NIGHTLY)
    async with cluster.operator():
        await anyio.sleep(60)
        written = len(cluster.sink.versions)
        await anyio.sleep(2 * HOUR_S)

    assert len(cluster.sink.versions) == written
