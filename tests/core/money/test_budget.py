"""What a run may use: arithmetic, and whole runs of it."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.money.amount import NOTHING, Amount
from capscan.core.money.budget import exhausted, fits, overrun, rest_of
from capscan.model import Budget, Progress, Usage
from capscan.model.completion import NO_USAGE
from tests.core.money.budgets import limits, usage

FIRST = (
    "Nothing was asked: the first question is expected to take 3400 tokens, and spec.budget allows "
    "500 tokens. To begin, raise spec.budget.maxTokens to at least 3400; spec.dryRun tells what "
    "the whole run takes."
)

FIRST_OF_BOTH = (
    "Nothing was asked: the first question is expected to take 3400 tokens and cost 34.00, and "
    "spec.budget allows 500 tokens and 5.00. To begin, raise spec.budget.maxTokens to at least "
    "3400 and spec.budget.maxCost to at least 34.00; spec.dryRun tells what the whole run takes."
)

NEXT = (
    "This run has used 450 of 500 tokens, and the next question is expected to take 100 tokens; "
    "what is settled stays. To go on, raise spec.budget.maxTokens to at least 550"
)

LOWERED = (
    "This run has used 640 of 500 tokens; what is settled stays. To go on, raise "
    "spec.budget.maxTokens to "
)

COST = (
    "This run has cost 4.50 of 5.00, and the next question is expected to cost 1.00; what is "
    "settled stays. To go on, raise spec.budget.maxCost to at least 5.50"
)

BOTH = (
    "This run has used 500 of 500 tokens and cost 5.00 of 5.00; what is settled stays. To go on, "
    "raise spec.budget.maxTokens to at least 600 and spec.budget.maxCost to at least 6.00; the "
    "whole run takes about 1800 tokens and costs about 18.00."
)

HALF = (
    "This run has used 500 of 500 tokens and cost 5.00 of 5.50, and the next question is expected "
    "to cost 1.00; what is settled stays. To go on, raise spec.budget.maxTokens to at least 600 "
    "and spec.budget.maxCost to at least 6.00."
)

EITHER = Budget(max_tokens=500, max_cost="5")
TOKENS, MONEY = limits(500)


@pytest.mark.parametrize(
    ("budget", "used", "wanted", "rest", "message"),
    [
        (TOKENS, 0, 3400, 0, FIRST),
        (EITHER, 0, 3400, 0, FIRST_OF_BOTH),
        (TOKENS, 450, 100, 0, f"{NEXT}."),
        (TOKENS, 450, 100, 1234, f"{NEXT}; the whole run takes about 1700 tokens."),
        (TOKENS, 450, 100, 100, f"{NEXT}; the whole run takes about 550 tokens."),
        (TOKENS, 640, 100, 0, f"{LOWERED}at least 740."),
        (TOKENS, 640, 0, 0, f"{LOWERED}more than 640."),
        (TOKENS, 640, 0, 900, f"{LOWERED}more than 640; the whole run takes about 1600 tokens."),
        (MONEY, 450, 100, 0, f"{COST}."),
        (MONEY, 450, 100, 1234, f"{COST}; the whole run costs about 17.00."),
        (Budget(max_tokens=10**6, max_cost="5"), 450, 100, 0, f"{COST}."),
        (
            Budget(max_tokens=600, max_cost="5"), 450, 100, 1234,
            f"{COST}; the whole run takes about 1700 tokens and costs about 17.00.",
        ),
        (EITHER, 500, 100, 1234, BOTH),
        (Budget(max_tokens=500, max_cost="5.50"), 500, 100, 0, HALF),
    ],
)  # fmt: skip
def test_a_reached_budget_says_what_to_write(
    budget: Budget, used: int, wanted: int, rest: int, message: str
) -> None:
    spent = usage(used) if used else NO_USAGE
    found = exhausted(budget, spent, Amount.of(usage(wanted)), Amount.of(usage(rest)))

    assert found is not None
    assert found.reason == ("BudgetReached" if used else "BudgetTooSmall")
    assert found.message == message


@pytest.mark.parametrize(
    ("limit", "used", "wanted", "said"),
    [
        ("0.0150000", "0.0123456789", "0.00312345", (
            "has cost 0.0123 of 0.015,", "to cost 0.0031;", "to at least 0.016."
        )),
        ("5", "4.9985123", "0.0031", ("has cost 4.9985 of 5.00,", "to at least 5.01.")),
        ("5", "5.00001", "0", ("has cost 5.00 of 5.00;", "to more than 5.01.")),
        ("0.0001", "0.0000912345", "0.00001518435", (
            "has cost 0.000091 of 0.0001,", "to cost 0.000015;", "to at least 0.00011."
        )),
        ("1200", "1199.987654321", "0.1", ("has cost 1199.9877 of 1200.00,", "least 1200.09.")),
    ],
)  # fmt: skip
def test_a_cost_is_told_in_its_significant_digits(
    limit: str, used: str, wanted: str, said: tuple[str, ...]
) -> None:
    """The amount to write into the spec is rounded up."""
    spent = Usage(1, cost=Decimal(used))
    found = exhausted(Budget(max_cost=limit), spent, Amount(0, Decimal(wanted)))

    assert found is not None
    assert [part for part in said if part not in found.message] == []


def test_requests_without_tokens_count_as_asked() -> None:
    """The server may have answered three times with a 500."""
    found = exhausted(Budget(max_tokens=500), Usage(requests=3), Amount.of(usage(3400)))

    assert found is not None
    assert found.reason == "BudgetReached"


AMOUNTS = st.builds(Amount, st.integers(0, 10**7), st.decimals(0, 100, places=9))
COSTS = st.decimals("0.000001", 100, places=6)


@given(st.integers(1, 10**6), COSTS, AMOUNTS, AMOUNTS, st.none() | AMOUNTS)
def test_the_budget_that_a_message_asks_for_is_enough(
    tokens: int, cost: Decimal, used: Amount, wanted: Amount, others: Amount | None
) -> None:
    """Amounts are rounded up, never down; the amount for the whole run too."""
    budget = Budget(max_tokens=tokens, max_cost=f"{cost:f}")
    spent = Usage(1, used.tokens, cost=used.cost)
    rest = NOTHING if others is None else others + wanted
    found = exhausted(budget, spent, wanted, rest)
    if found is None:
        return
    least, _, whole = found.message.partition("; the whole run ")
    for field, beyond, amount in re.findall(r"(max\w+) to (at least|more than) ([\d.]*\d)", least):
        step = Decimal("0.000001") if field == "maxCost" else 1
        written = Decimal(amount) + (step if beyond == "more than" else 0)
        budget = written_to(budget, field, written)
    assert not exhausted(budget, spent, wanted)

    for verb, amount in re.findall(r"(take|cost)s about ([\d.]*\d)", whole):
        field = {"take": "maxTokens", "cost": "maxCost"}[verb]
        budget = written_to(budget, field, Decimal(amount))
        assert not exhausted(budget, spent, wanted)
    assert not whole or not exhausted(budget, spent, rest)


def written_to(budget: Budget, field: str, amount: Decimal) -> Budget:
    """Return the budget with this limit instead."""
    return Budget.model_validate(
        {"maxTokens": budget.max_tokens, "maxCost": budget.max_cost}
        | {field: f"{amount:f}" if field == "maxCost" else int(amount)}
    )


@pytest.mark.parametrize(
    ("progress", "rest"),
    [
        (Progress(total=20), NOTHING),
        (Progress(total=20, unchanged=10), NOTHING),
        (Progress(total=20, completed=4, failed=1), Amount(1500, Decimal(15))),
        (
            Progress(total=20, completed=4, failed=1, unchanged=9, skipped=1),
            Amount(500, Decimal(5)),
        ),
        (Progress(total=8, completed=7), Amount(80, Decimal(5) / 7)),
        (Progress(total=10, completed=7), Amount(223, 3 * Decimal(5) / 7)),
        (Progress(total=5, completed=5), NOTHING),
    ],
)
def test_the_rest_is_expected_to_take_what_other_items_took(
    progress: Progress, rest: Amount
) -> None:
    """Of those that were asked about: what is unchanged took nothing. The last one too begins only
    where there is room for what it is expected to take.
    """
    found = rest_of(usage(500), progress, Amount(80))

    assert found.tokens == rest.tokens
    assert float(found.cost) == pytest.approx(float(rest.cost))


@pytest.mark.parametrize("budget", [Budget(), Budget(max_tokens=100), Budget(max_cost="1")])
def test_a_question_that_fits_exactly_is_allowed(budget: Budget) -> None:
    assert not exhausted(budget, usage(60), Amount.of(usage(40)))
    assert fits(budget, usage(60), Amount.of(usage(10)), Amount.of(usage(30)))


def test_a_budget_without_a_limit_allows_everything() -> None:
    """A question that costs nothing is allowed under any limit that is not reached."""
    assert fits(Budget(), usage(10**9), Amount.of(usage(10**9)))
    assert fits(Budget(max_tokens=1, max_cost="0.0001"), NO_USAGE, NOTHING)


TOKENS_OVER = (
    "It has used 640 tokens, 140 more than spec.budget.maxTokens allows: the last answers took "
    "more than was expected, or the limit was lowered."
)

BOTH_OVER = (
    "It has used 640 tokens, 140 more than spec.budget.maxTokens allows, and cost 6.40, 1.40 more "
    "than spec.budget.maxCost allows: the last answers took more than was expected, or the limit "
    "was lowered."
)

COST_OVER = (
    "It has cost 6.40, 1.40 more than spec.budget.maxCost allows: the last answers took more than "
    "was expected, or the limit was lowered."
)


@pytest.mark.parametrize(
    ("budget", "used", "said"),
    [
        (Budget(max_tokens=500), 500, ""),
        (Budget(max_tokens=500), 640, TOKENS_OVER),
        (Budget(max_tokens=10**6, max_cost="5"), 640, COST_OVER),
        (EITHER, 640, BOTH_OVER),
    ],
)
def test_a_message_says_by_how_much_a_run_went_over(budget: Budget, used: int, said: str) -> None:
    assert overrun(budget, usage(used)) == said
