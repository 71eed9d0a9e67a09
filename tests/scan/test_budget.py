"""Runs with a budget, in virtual time: each request takes 100 tokens and costs 0.01."""

import re
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
    cluster.provider.usage = cluster.provider.estimated = ONE
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
async def test_what_the_whole_run_is_said_to_take_is_enough_for_it(estimated: int) -> None:
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
async def test_no_parallelism_makes_it_more(budget: dict[str, Any]) -> None:
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


async def test_answers_that_take_more_than_expected_are_learnt_from() -> None:
    """Over by what was in flight before the first one was known, and by no more."""
    cluster = Cluster({"parallelism": 2, "budget": {"maxTokens": 1050}}, crds=100)
    cluster.provider.usage, cluster.provider.estimated = ONE, Usage(1, 40)
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.provider.asked.total() == 10


async def test_what_was_learnt_of_answers_outlives_a_stall() -> None:
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


@pytest.mark.parametrize(
    ("budget", "enough"),
    [({"maxTokens": 99}, {"maxTokens": 100}), ({"maxCost": "0.0099"}, {"maxCost": "0.01"})],
)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_budget_for_not_even_one_question_says_so(
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
    """By whoever waits for room: no new session is needed."""
    cluster = Cluster({"parallelism": 4, "budget": {"maxTokens": 250}}, delay_s=10)
    cluster.provider.usage = cluster.provider.estimated = ONE
    async with cluster.operator():
        await anyio.sleep(5)
        assert cluster.provider.in_flight == 2
        cluster.edit({"parallelism": 4, "budget": {"maxTokens": 100_000}})
        await anyio.sleep(1)
        assert cluster.provider.in_flight == 4


async def test_a_lowered_budget_lets_nobody_go_who_waits_for_a_turn() -> None:
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
    """In its last answers: there is nothing left to be kept from asking."""
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


async def test_an_answer_that_was_no_analysis_is_not_tried_again_either() -> None:
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


async def test_money_is_not_spent_once_nobody_says_prices() -> None:
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
async def test_nothing_is_no_limit(budget: dict[str, Any]) -> None:
    cluster = cluster_with(budget)
    cluster.provider.is_priced = False
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
