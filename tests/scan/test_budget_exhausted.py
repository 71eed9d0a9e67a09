"""Runs whose budget is used up, edited, or cannot be kept."""

from typing import Any

import anyio
import pytest

from capscan.core.errors import ProviderUnavailable
from capscan.model import Phase, Usage
from tests.fakes import name_of
from tests.scan.budgets import ONE, cluster_with, spec
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("budget", "enough"),
    [({"maxTokens": 99}, {"maxTokens": 100}), ({"maxCost": "0.0099"}, {"maxCost": "0.01"})],
)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_budget_without_room_for_one_question_is_told_in_the_status(
    budget: dict[str, Any], enough: dict[str, Any], *, restarted: bool
) -> None:
    cluster = cluster_with(budget)
    async with cluster.operator():
        await anyio.sleep(60)
        written = len(cluster.sink.versions)
        await anyio.sleep(3600)
        assert len(cluster.sink.versions) == written
    async with cluster.operator():
        if restarted:
            await anyio.sleep(60)
        stalled = cluster.condition("Stalled")
        assert (stalled.status, stalled.reason) == ("True", "BudgetTooSmall")
        field, least = next(iter(enough.items()))
        assert f"raise spec.budget.{field} to at least {least};" in stalled.message
        assert not cluster.provider.asked
        cluster.edit(spec(enough))
        await anyio.sleep(60)

    assert cluster.provider.asked.total() == 1
    assert cluster.condition("Stalled").reason == "BudgetReached"


async def test_a_raised_budget_is_obeyed_while_others_are_in_flight() -> None:
    """The questions that wait for room obey it; no new session is needed."""
    cluster = Cluster({"parallelism": 4, "budget": {"maxTokens": 250}}, delay_s=10)
    cluster.provider.usage = cluster.provider.estimated = ONE
    async with cluster.operator():
        await anyio.sleep(5)
        assert cluster.provider.in_flight == 2
        cluster.edit({"parallelism": 4, "budget": {"maxTokens": 100_000}})
        await anyio.sleep(1)
        assert cluster.provider.in_flight == 4


async def test_a_lowered_budget_keeps_questions_that_wait_for_their_turn_from_being_sent() -> None:
    """What a busy provider has not begun to look at can still be left unasked."""
    cluster = Cluster({"parallelism": 4, "budget": {"maxTokens": 1000}})
    cluster.provider.usage = cluster.provider.estimated = ONE
    cluster.provider.busy_s = 10
    async with cluster.operator():
        await anyio.sleep(5)
        cluster.edit({"parallelism": 4, "budget": {"maxTokens": 200}})
        await anyio.sleep(60)

    assert cluster.provider.asked.total() == 2
    assert cluster.run_id == "t1"


async def test_a_run_that_ended_over_its_budget_says_by_how_much() -> None:
    """Its last answers exceeded the budget, so there was nothing left to hold back."""
    cluster = cluster_with({"maxTokens": 1945})
    cluster.provider.estimated = Usage(1, 97)
    cluster.provider.usage = Usage(1, 97)
    async with cluster.operator():
        await anyio.sleep(8.5)
        cluster.provider.usage = ONE
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    for type_ in ("Ready", "Complete"):
        assert cluster.condition(type_).status == "True"
        assert "It has used 1946 tokens, 1 more than spec.budget.maxTokens allows" in (
            cluster.condition(type_).message
        )


async def test_an_invalid_answer_is_not_tried_again_beyond_the_budget() -> None:
    """It was answered, so nothing is under way; what waits to try again is stopped like others."""
    cluster = cluster_with({"maxTokens": 150}, crds=1)
    cluster.provider.unreadable = 1
    async with cluster.operator():
        await anyio.sleep(60)
        assert cluster.condition("Stalled").reason == "BudgetReached"
        assert cluster.provider.asked.total() == 1
        cluster.edit(spec({}))
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED


async def test_a_failed_request_is_not_tried_again_beyond_the_budget() -> None:
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
    assert cluster.summary == "10/20"


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


async def test_nothing_is_asked_once_a_provider_without_prices_may_answer() -> None:
    """An administrator takes them away, or a fallback without any stands in: what is in flight
    is waited for.
    """
    cluster = cluster_with({"maxCost": "100"})
    async with cluster.operator() as controller:
        await anyio.sleep(2.5)
        cluster.provider.is_priced = False
        await anyio.sleep(60)
        asked = cluster.provider.asked.total()
        assert 0 < asked < 20
        assert cluster.condition("Stalled").reason == "InvalidBudget"
        assert cluster.status.progress is not None
        assert cluster.status.progress.completed == asked
        assert cluster.phase() is Phase.SCANNING
        cluster.provider.is_priced = True
        controller.provider_changed("")
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert set(cluster.provider.asked.values()) == {1}


@pytest.mark.parametrize("budget", [{}, {"maxTokens": 0, "maxCost": ""}, {"maxCost": "0.00"}])
async def test_a_budget_without_a_limit_limits_nothing(budget: dict[str, Any]) -> None:
    cluster = cluster_with(budget)
    cluster.provider.is_priced = False
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
