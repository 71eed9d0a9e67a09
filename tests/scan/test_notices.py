"""What a controller tells people beside the status."""

import anyio
import pytest

from capscan.core.errors import MissingPermission
from capscan.model import Usage
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio


def told(cluster: Cluster) -> list[tuple[str, bool]]:
    return [(notice.reason, notice.warning) for notice in cluster.events.notices]


@pytest.mark.parametrize(
    ("failing", "end"),
    [
        ((), ("Completed", False)),
        ((3,), ("CompletedWithFailures", False)),
        ((3, 4), ("Failed", True)),
    ],
)
async def test_a_run_is_told_at_its_start_and_its_end(
    failing: tuple[int, ...], end: tuple[str, bool]
) -> None:
    """Nothing is told of its items."""
    cluster = Cluster({"maxFailedPercent": 5}, failing=failing)
    async with cluster.operator():
        await anyio.sleep(3600)

    assert told(cluster) == [("Started", False), end]
    assert cluster.events.notices[-1].note == cluster.status.message


async def test_a_stall_is_told_once_however_often_it_is_tried_again() -> None:
    cluster = Cluster()
    cluster.crds.denied = MissingPermission("add a rule")
    async with cluster.operator():
        await anyio.sleep(3600)
        cluster.crds.denied = None
        await anyio.sleep(60)

    assert told(cluster) == [("Started", False), ("MissingPermission", True), ("Completed", False)]


async def test_a_suspend_and_the_run_that_goes_on_after_it_are_told() -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(4.5)
        cluster.edit({"parallelism": 2, "suspend": True})
        await anyio.sleep(5)
        cluster.edit({"parallelism": 3, "suspend": True})
        await anyio.sleep(5)
        cluster.edit({"parallelism": 2})
        await anyio.sleep(60)

    assert [reason for reason, _ in told(cluster)] == [
        "Started",
        "Suspended",
        "Resumed",
        "Completed",
    ]


async def test_a_budget_that_is_reached_is_told_once() -> None:
    cluster = Cluster({"parallelism": 1, "budget": {"maxTokens": 100}})
    cluster.provider.usage = cluster.provider.estimated = Usage(requests=1, input_tokens=50)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit({"parallelism": 2, "budget": {"maxTokens": 100}})
        await anyio.sleep(60)

    assert told(cluster) == [("Started", False), ("BudgetReached", True)]
