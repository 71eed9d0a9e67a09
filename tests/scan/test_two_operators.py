"""Another operator works on the same scan: one too many, by mistake."""

from typing import Any

import anyio
import pytest

from capscan.model import Phase
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio

THEIR_RUN = {
    "id": "theirs",
    "trigger": "Rescan",
    "inputsHash": "hash",
    "dryRun": False,
    "owner": "operator-9",
    "startTime": "2026-01-01T01:00:00Z",
    "resumed": 0,
}


def theirs(cluster: Cluster, settled: int, **run: Any) -> dict[str, Any]:
    """What the other one says of a run that has begun after ours."""
    counts = {"total": 20, "completed": settled, "summary": f"{settled}/20"}
    ours = cluster.status.to_wire()
    run = THEIR_RUN | {"inputsHash": ours["run"]["inputsHash"]} | run
    progress = ours["progress"] | counts
    return ours | {"run": run, "phase": "Scanning", "progress": progress}


async def test_the_status_of_a_run_is_left_to_the_operator_that_works_on_it() -> None:
    """This holds at each step of the run, not at the first one alone."""
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        written = len(cluster.sink.versions)
        for settled in (3, 9, 15):
            cluster.overwrite(theirs(cluster, settled))
            await anyio.sleep(30)
            assert cluster.summary == f"{settled}/20"

    assert len(cluster.sink.versions) == written


async def test_both_operators_leave_the_end_of_the_later_run_in_the_status(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next run comes after that one, too."""
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        end = theirs(cluster, 20, completionTime="2026-01-01T01:01:00Z", duration="60s")
        end["phase"] = "Completed"
        cluster.overwrite(end)
        await anyio.sleep(30)
        assert cluster.run_id == "theirs"
        assert caplog.text.count("another operator, operator-9,") == 1
        cluster.edit({"rescan": "again"})
        await anyio.sleep(60)

    assert (cluster.run_id, cluster.phase()) == ("t2", Phase.COMPLETED)
    assert cluster.status.last_run is not None
    assert cluster.status.last_run.id == "theirs"


async def test_the_end_of_an_earlier_run_is_written_over() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        before = cluster.status
        early = {"startTime": "2025-12-31T00:00:00Z", "completionTime": "2025-12-31T00:01:00Z"}
        cluster.overwrite(theirs(cluster, 20, **early))
        await anyio.sleep(30)

    assert cluster.status == before
