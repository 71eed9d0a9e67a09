"""Runs with a budget, in virtual time: each request takes 100 tokens and costs 0.01."""

from decimal import Decimal
from typing import Any

import anyio
import pytest

from capscan.core.errors import ProviderUnavailable
from capscan.model import Phase, Usage
from tests.fakes import name_of
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio

ONE = Usage(requests=1, input_tokens=80, output_tokens=20, cost=Decimal("0.01"))
BUDGETS: list[dict[str, Any]] = [{"maxTokens": 500}, {"maxCost": "0.05"}]


def spec(budget: dict[str, Any]) -> dict[str, Any]:
    return {"parallelism": 2, "budget": budget}


def cluster_with(budget: dict[str, Any], **options: Any) -> Cluster:
    cluster = Cluster(spec(budget), **options)
    cluster.provider.usage = ONE
    return cluster


@pytest.mark.parametrize("budget", BUDGETS)
async def test_nothing_more_is_asked_once_the_budget_is_reached(budget: dict[str, Any]) -> None:
    cluster = cluster_with(budget)
    async with cluster.operator():
        await anyio.sleep(3600)
        written = len(cluster.sink.versions)
        await anyio.sleep(3600)

    stalled = cluster.condition("Stalled")
    assert (stalled.status, stalled.reason) == ("True", "BudgetReached")
    assert f"raise spec.budget.{next(iter(budget))} to go on" in stalled.message
    assert cluster.condition("Reconciling").status == "False"
    assert cluster.phase() is Phase.SCANNING
    # Five reach it; the sixth was in flight, and its answer is kept.
    assert cluster.provider.asked.total() == len(cluster.store.written) == 6
    assert cluster.summary == "6/20"
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
            assert cluster.provider.asked.total() == 6
            assert cluster.condition("Stalled").reason == "BudgetReached"
            cluster.edit(spec({"maxCost": "100"}))
            await anyio.sleep(60)

    assert (cluster.run_id, cluster.phase()) == ("t1", Phase.COMPLETED)
    assert cluster.summary == "20/20"
    assert set(cluster.provider.asked.values()) == {1}
    assert cluster.status.usage is not None
    assert cluster.status.usage.total_tokens == 2000


async def test_a_budget_that_is_lowered_takes_effect_at_once() -> None:
    cluster = cluster_with({})
    async with cluster.operator():
        await anyio.sleep(4.5)
        cluster.edit(spec({"maxTokens": 100}))
        await anyio.sleep(60)

    assert cluster.provider.asked.total() == 10
    assert cluster.run_id == "t1"


async def test_a_run_that_ends_on_its_last_token_is_completed() -> None:
    cluster = cluster_with({"maxTokens": 2000})
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED


async def test_what_would_be_tried_again_is_not() -> None:
    """Failed requests count, and a second attempt is a question too."""
    cluster = cluster_with({"maxTokens": 100}, crds=1)
    cluster.provider.replies[name_of(0)] = [ProviderUnavailable("away")] * 3
    async with cluster.operator():
        await anyio.sleep(60)
        assert cluster.provider.asked.total() == 1
        assert cluster.summary == "0/1"
        cluster.edit(spec({}))
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED


async def test_a_run_that_is_out_of_budget_can_be_suspended_and_rescanned() -> None:
    cluster = cluster_with({"maxTokens": 500})
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit(spec({"maxTokens": 500}) | {"suspend": True})
        await anyio.sleep(5)
        assert cluster.phase() is Phase.SUSPENDED
        cluster.edit(spec({"maxTokens": 500}))
        await anyio.sleep(5)
        assert cluster.condition("Stalled").reason == "BudgetReached"
        cluster.edit(spec({"maxTokens": 500}) | {"rescan": "2"})
        await anyio.sleep(60)

    assert cluster.run_id == "t2"
    assert cluster.summary == "12/20"


async def test_a_limit_in_money_needs_prices() -> None:
    cluster = cluster_with({"maxCost": "1"})
    cluster.provider.is_priced = False
    async with cluster.operator() as controller:
        await anyio.sleep(60)
        assert cluster.condition("Stalled").reason == "InvalidBudget"
        assert not cluster.provider.asked
        cluster.provider.is_priced = True
        controller.provider_changed("")
        await anyio.sleep(5)
        assert cluster.phase() is Phase.SCANNING


@pytest.mark.parametrize("budget", [{}, {"maxTokens": 0, "maxCost": ""}, {"maxCost": "0.00"}])
async def test_nothing_is_no_limit(budget: dict[str, Any]) -> None:
    cluster = cluster_with(budget)
    cluster.provider.is_priced = False
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
