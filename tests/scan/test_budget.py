"""Runs that keep within their budget."""

import re
from typing import Any

import anyio
import pytest

from capscan.model import Phase, Usage
from tests.scan.budgets import ONE, cluster_with, spec
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio


BUDGETS: list[dict[str, Any]] = [{"maxTokens": 500}, {"maxCost": "0.05"}]


@pytest.mark.parametrize("budget", BUDGETS)
async def test_nothing_more_is_asked_once_the_budget_is_reached(budget: dict[str, Any]) -> None:
    cluster = cluster_with(budget)
    async with cluster.operator():
        await anyio.sleep(3600)
        written = len(cluster.sink.versions)
        await anyio.sleep(3600)

    stalled = cluster.condition("Stalled")
    assert (stalled.status, stalled.reason) == ("True", "BudgetReached")
    field, least, whole = {
        "maxTokens": ("maxTokens", "600", "takes about 2000 tokens"),
        "maxCost": ("maxCost", "0.06", "costs about 0.20"),
    }[next(iter(budget))]
    assert f"raise spec.budget.{field} to at least {least}; the whole run {whole}." in (
        stalled.message
    )
    assert cluster.condition("Reconciling").status == "False"
    assert cluster.phase() is Phase.SCANNING
    assert cluster.provider.asked.total() == len(cluster.store.written) == 5
    assert cluster.summary == "5/20"
    assert len(cluster.sink.versions) == written


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_raised_budget_lets_the_same_run_go_on(
    budget: dict[str, Any], *, restarted: bool
) -> None:
    cluster = cluster_with(budget)
    async with cluster.operator():
        await anyio.sleep(60)
        if not restarted:
            cluster.edit(spec({"maxTokens": 100_000}))
            await anyio.sleep(60)
    if restarted:
        async with cluster.operator():
            await anyio.sleep(60)
            assert cluster.provider.asked.total() == 5
            assert cluster.condition("Stalled").reason == "BudgetReached"
            cluster.edit(spec({"maxCost": "100"}))
            await anyio.sleep(60)

    assert (cluster.run_id, cluster.phase()) == ("t1", Phase.COMPLETED)
    assert cluster.summary == "20/20"
    assert set(cluster.provider.asked.values()) == {1}
    assert cluster.status.usage is not None
    assert cluster.status.usage.total_tokens == 2000


@pytest.mark.parametrize("estimated", [40, 100, 160])
async def test_the_budget_that_the_status_asks_for_is_enough_for_the_run(estimated: int) -> None:
    """Where the answers that are left take what others took; whether estimates are right or not."""
    cluster = cluster_with({"maxTokens": 500})
    cluster.provider.estimated = Usage(1, estimated)
    async with cluster.operator():
        await anyio.sleep(60)
        about = re.search(r"the whole run takes about (\d+) tokens", cluster.status.message or "")
        assert about is not None
        cluster.edit(spec({"maxTokens": int(about[1])}))
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED


async def test_a_budget_that_is_lowered_takes_effect_at_once() -> None:
    cluster = cluster_with({})
    async with cluster.operator():
        await anyio.sleep(4.5)
        cluster.edit(spec({"maxTokens": 100}))
        await anyio.sleep(60)

    assert cluster.provider.asked.total() == 10
    assert cluster.run_id == "t1"
    assert "maxTokens to more than 1000; the whole run takes about 2000 tokens." in (
        cluster.condition("Stalled").message
    )


async def test_a_run_that_ends_on_its_last_token_is_completed() -> None:
    cluster = cluster_with({"maxTokens": 2000})
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED


@pytest.mark.parametrize("budget", [{"maxTokens": 1550}, {"maxCost": "0.155"}])
async def test_no_parallelism_spends_more_than_the_budget(budget: dict[str, Any]) -> None:
    """All that there is room for is in flight at once, and half a question is left over."""
    cluster = Cluster({"parallelism": 64, "budget": budget}, crds=100)
    cluster.provider.usage = cluster.provider.estimated = ONE
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.provider.in_flight_max == cluster.provider.asked.total() == 15
    stalled = cluster.condition("Stalled")
    assert (stalled.status, stalled.reason) == ("True", "BudgetReached")
    assert "the next question is expected to" in stalled.message
    assert stalled.message == cluster.status.message


async def test_answers_that_take_less_than_expected_make_room_for_others() -> None:
    cluster = Cluster({"parallelism": 64, "budget": {"maxTokens": 1600}}, crds=100)
    cluster.provider.usage, cluster.provider.estimated = ONE, Usage(1, 160)
    async with cluster.operator():
        await anyio.sleep(60)

    # 1500 are used, and 1660 would be too many.
    assert cluster.provider.asked.total() == 15
    assert cluster.provider.in_flight_max == 10


async def test_a_run_learns_from_answers_that_take_more_than_expected() -> None:
    """The run exceeds its budget by what was in flight before the first answer, and by no more."""
    cluster = Cluster({"parallelism": 2, "budget": {"maxTokens": 1050}}, crds=100)
    cluster.provider.usage, cluster.provider.estimated = ONE, Usage(1, 40)
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.provider.asked.total() == 10


async def test_what_a_run_learnt_from_answers_outlives_a_stall() -> None:
    """No news of a provider brings it back, and a raised budget is met as the first one was."""
    wanted = {"parallelism": 2, "budget": {"maxTokens": 1050}}
    cluster = Cluster(wanted, crds=100)
    cluster.provider.usage, cluster.provider.estimated = ONE, Usage(1, 40)
    async with cluster.operator() as controller:
        await anyio.sleep(60)
        controller.provider_changed("another")
        await anyio.sleep(60)
        assert cluster.provider.asked.total() == 10
        cluster.edit(wanted | {"budget": {"maxTokens": 1160}})
        await anyio.sleep(60)

    assert cluster.provider.asked.total() == 11
