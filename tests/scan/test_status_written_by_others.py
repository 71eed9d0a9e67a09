"""Statuses that somebody else writes, removes or keeps from being written."""

import anyio
import pytest

from capscan.core.errors import MissingPermission, ObjectGone
from capscan.model import Phase, ScanStatus
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio


async def test_a_status_that_may_not_be_written_stops_no_work() -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(2.5)
        cluster.sink.denied = MissingPermission("you may not")
        await anyio.sleep(5)
        settled = len(cluster.store.written)
        cluster.sink.denied = None
        await anyio.sleep(60)

    assert settled == 14
    assert cluster.summary == "20/20"


async def test_a_status_that_was_removed_by_hand_is_written_again() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        before = cluster.status
        cluster.lose_status()
        assert cluster.status == ScanStatus()
        await anyio.sleep(5)

    assert cluster.status == before
    assert cluster.provider.asked.total() == 20


async def test_a_status_that_was_removed_in_mid_run_is_written_again() -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(4.5)
        cluster.lose_status()
        await anyio.sleep(3)
        assert cluster.run_id == "t1"
        await anyio.sleep(60)

    assert cluster.run_id == "t1"
    assert cluster.summary == "20/20"


@pytest.mark.parametrize("when_s", [4.5, 60], ids=["in mid-run", "at rest"])
async def test_a_condition_of_another_controller_stays_and_a_forged_one_of_ours_does_not(
    when_s: float,
) -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(when_s)
        ready = cluster.condition("Ready")
        forged = ready.model_copy(update={"status": "True", "observed_generation": 99})
        theirs = ready.model_copy(update={"type": "PolicyChecked"})
        wire = [forged.to_wire(), theirs.to_wire()]
        cluster.overwrite(cluster.status.to_wire() | {"conditions": wire})
        await anyio.sleep(3)

        again = cluster.condition("Ready")
        assert (again.status, again.observed_generation) == (ready.status, 1)
        assert cluster.condition("PolicyChecked") == theirs
        await anyio.sleep(60)

    assert cluster.condition("PolicyChecked") == theirs
    assert cluster.condition("Complete").status == "True"
    assert len(cluster.status.conditions or ()) == 7


async def test_the_work_of_a_deleted_scan_ends(caplog: pytest.LogCaptureFixture) -> None:
    """The deletion shows only in a refused write; what was analysed stays."""
    caplog.set_level("INFO")
    cluster = Cluster(delay_s=5)
    async with anyio.create_task_group() as group:
        async with cluster.operator():
            await anyio.sleep(7)
            cluster.sink.denied = ObjectGone("deleted")
            await anyio.sleep(5)
            asked = cluster.provider.asked.total()
            await anyio.sleep(60)
        group.cancel_scope.cancel()

    assert cluster.provider.in_flight == 0
    assert cluster.provider.asked.total() == asked
    assert len(cluster.store.by_name) == 10
    assert "deleted" in caplog.text


async def test_the_log_names_another_operator_at_work_on_the_same_scan(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Both log it once, while they work: each answer is paid for twice."""
    cluster = Cluster(crds=40)
    async with cluster.operator(), cluster.operator():
        await anyio.sleep(5)

    warned = [line for line in caplog.messages if "another operator, operator-" in line]
    assert sorted(line.split(", ")[1] for line in warned) == ["operator-1", "operator-2"]


async def test_an_earlier_operator_is_not_taken_for_a_rival(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = Cluster()
    for _ in range(3):
        async with cluster.operator():
            await anyio.sleep(1)
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert "another operator" not in caplog.text
