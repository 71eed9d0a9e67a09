"""What a scan at rest costs: nothing wakes it but its schedule and what changes."""

from datetime import timedelta

import anyio
import pytest

from capscan.model import Phase
from capscan.scan.waiting import CLOCK_CHECK_S
from tests.scan.cluster import Cluster
from tests.virtual import EPOCH

pytestmark = pytest.mark.anyio

HOUR_S = 3600.0
FIVE_DAYS_S = 5 * 24 * HOUR_S
YEARLY = {"schedule": "0 3 1 6 *"}


async def test_nothing_wakes_a_scan_at_rest_without_a_schedule() -> None:
    cluster = Cluster({"follow": True})
    async with cluster.operator():
        await anyio.sleep(60)
        assert cluster.phase() is Phase.COMPLETED
        renders, looks = cluster.sink.renders, cluster.clock.looks
        await anyio.sleep(FIVE_DAYS_S)

    assert (cluster.sink.renders, cluster.clock.looks) == (renders, looks)


@pytest.mark.parametrize("suspended", [False, True])
async def test_a_schedule_renders_nothing_before_its_time(*, suspended: bool) -> None:
    """A look at the wall clock once a minute is all, and none while the scan is suspended."""
    cluster = Cluster(YEARLY)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit(YEARLY | {"suspend": suspended})
        await anyio.sleep(60)
        renders, looks = cluster.sink.renders, cluster.clock.looks
        await anyio.sleep(FIVE_DAYS_S)

    assert cluster.phase() is Phase.COMPLETED
    assert cluster.sink.renders == renders
    looks_max = 0 if suspended else FIVE_DAYS_S / CLOCK_CHECK_S + 1
    assert cluster.clock.looks - looks <= looks_max


async def test_a_run_at_work_is_rendered_again_and_again() -> None:
    """Its ETA changes by time alone."""
    cluster = Cluster({"parallelism": 1}, delay_s=1000)
    async with cluster.operator():
        await anyio.sleep(60)
        renders = cluster.sink.renders
        await anyio.sleep(600)

    assert cluster.sink.renders - renders >= 50


@pytest.mark.parametrize("asleep", [timedelta(days=2), timedelta(hours=2.5)])
async def test_a_time_that_came_while_the_machine_slept_is_met_within_a_minute(
    asleep: timedelta,
) -> None:
    """The wall clock goes on then, and the clock that sleeps go by does not."""
    cluster = Cluster({"schedule": "0 3 * * *"})
    async with cluster.operator():
        await anyio.sleep(HOUR_S)
        cluster.clock.set_by = asleep
        await anyio.sleep(CLOCK_CHECK_S + 1)

        assert cluster.run_id == "t2"


async def test_a_wall_clock_that_is_set_back_brings_an_earlier_time() -> None:
    cluster = Cluster({"schedule": "0 3 * * *"})
    async with cluster.operator():
        await anyio.sleep(4 * HOUR_S)
        assert cluster.run_id == "t2"
        assert cluster.status.next_schedule_time == EPOCH + timedelta(days=1, hours=3)
        cluster.clock.set_by = -timedelta(hours=2)
        await anyio.sleep(CLOCK_CHECK_S + 3)

        assert cluster.status.next_schedule_time == EPOCH + timedelta(hours=3)
        await anyio.sleep(HOUR_S)
        assert cluster.run_id == "t3"
