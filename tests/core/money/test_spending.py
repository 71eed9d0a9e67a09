"""What is set aside for questions, and how estimates are corrected; whole runs of it are in
test_budget.py.
"""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.money.amount import NOTHING, Amount
from capscan.core.money.spending import Excess, Spending
from capscan.model import Usage


@given(st.lists(st.floats(0.01, 1.0), max_size=20))
def test_estimates_that_were_high_enough_are_not_raised(shares: list[float]) -> None:
    excess = Excess()
    for share in shares:
        excess = excess.seen(100.0, 100.0 * share)

    assert excess.factor == 1.0


@pytest.mark.parametrize(
    ("shares", "factor"),
    [
        ([], 1.0),
        ([2.0], 2.0),
        ([2.0, 2.0, 2.0], 2.0),
        ([1.0, 3.0], 1 + 1 + 2 * 1),
        ([0.5, 0.5, 0.5, 3.0], 1 + 0.5 + 2 * 0.75**0.5),
        ([2.0, 0.0], 2.0),
    ],
)
def test_questions_that_came_out_dearer_raise_the_next_estimate(
    shares: list[float], factor: float
) -> None:
    """The mean and the deviation count; questions that were not looked at do not."""
    excess = Excess()
    for share in shares:
        excess = excess.seen(100.0, 100.0 * share)

    assert excess.factor == pytest.approx(factor)


def test_money_and_tokens_are_corrected_separately() -> None:
    """Tokens of an answer cost five times as much as those of a prompt: a short answer may be
    dear.
    """
    estimate = Usage(1, 1000, 0, 100, Decimal("0.01"))
    spending = Spending().begun(NOTHING)
    spending = spending.ended(NOTHING, estimate, replace(estimate, cost=Decimal("0.02")))

    assert spending.expected(estimate) == Amount(1100, Decimal("0.02"))


def test_what_the_next_one_is_expected_to_take_is_known_until_it_begins() -> None:
    """What is expected follows what other answers have taught meanwhile."""
    one = Usage(1, 100)
    first = Amount.of(one)
    waits = Spending().begun(first).held_back(one)
    taught = waits.ended(first, one, Usage(1, 300))

    assert waits.wanted == first
    assert taught.wanted == taught.expected(one) == Amount(300)
    assert taught.begun(taught.wanted).wanted == NOTHING
