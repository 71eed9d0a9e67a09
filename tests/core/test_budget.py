"""What a run may use: arithmetic, and whole runs of it."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.budget import (
    NOTHING,
    Amount,
    Excess,
    Spending,
    exhausted,
    fits,
    overrun,
)
from capscan.model import Budget, Usage
from capscan.model.completion import NO_USAGE

CENT = Decimal("0.01")


def usage(tokens: int) -> Usage:
    """A token costs a cent."""
    return Usage(1, input_tokens=tokens, cost=tokens * CENT)


def limits(tokens: int) -> list[Budget]:
    """The same limit, said in one way and in the other."""
    return [Budget(max_tokens=tokens), Budget(max_cost=str(tokens * CENT))]


class Run:
    """Questions that are begun as far as the budget goes, and return in any order."""

    def __init__(self, budget: Budget, questions: list[tuple[int, int]]) -> None:
        self.budget = budget
        self.waiting = [(usage(estimated), usage(actual)) for estimated, actual in questions]
        self.flying: list[tuple[Amount, Usage, Usage]] = []
        self.used = NO_USAGE
        self.spending = Spending()

    def begin(self) -> bool:
        """The next one, if there is room."""
        if not self.waiting:
            return False
        estimate, actual = self.waiting[0]
        expected = self.spending.expected(estimate)
        if not fits(self.budget, self.used, expected, self.spending.reserved):
            return False
        self.spending = self.spending.begun(expected)
        self.flying.append((expected, estimate, actual))
        del self.waiting[0]
        return True

    def end(self, which: int) -> None:
        """One of those under way."""
        expected, estimate, actual = self.flying.pop(which % len(self.flying))
        self.used += actual
        self.spending = self.spending.ended(expected, estimate, actual)

    def play(self, moves: list[int]) -> None:
        """Begin at every other move, end at the others; then as much as there is room for."""
        for move in moves:
            if move % 2 or not self.flying:
                self.begin()
            else:
                self.end(move // 2)
        while self.begin() or self.flying:
            if self.flying:
                self.end(0)


ESTIMATES = st.tuples(st.integers(1, 5000), st.integers(0, 5000))
UPPER_BOUNDS = ESTIMATES.map(lambda pair: (max(pair), min(pair)))
MOVES = st.lists(st.integers(0, 64), max_size=60)


@given(st.lists(UPPER_BOUNDS, max_size=20), st.integers(1, 60_000), MOVES, st.booleans())
def test_where_no_estimate_is_too_low_the_budget_is_never_exceeded(
    questions: list[tuple[int, int]], limit: int, moves: list[int], money: bool
) -> None:
    run = Run(limits(limit)[money], questions)
    run.play(moves)

    assert Amount.of(run.used).tokens <= limit
    assert not overrun(run.budget, run.used)


@given(st.lists(UPPER_BOUNDS, min_size=1, max_size=20), MOVES, st.booleans())
def test_a_budget_that_suffices_keeps_nobody_from_being_asked(
    questions: list[tuple[int, int]], moves: list[int], money: bool
) -> None:
    enough = sum(estimated for estimated, _ in questions)
    run = Run(limits(enough)[money], questions)
    run.play(moves)

    assert not run.waiting


@given(st.lists(ESTIMATES, max_size=20), st.integers(1, 60_000), MOVES, st.booleans())
def test_a_budget_is_exceeded_by_no_more_than_estimates_were_too_low(
    questions: list[tuple[int, int]], limit: int, moves: list[int], money: bool
) -> None:
    run = Run(limits(limit)[money], questions)
    run.play(moves)
    error = sum(max(0, actual - estimated) for estimated, actual in questions)

    assert Amount.of(run.used).tokens <= limit + error


@given(st.lists(ESTIMATES, max_size=20), st.integers(1, 60_000), MOVES, st.booleans())
def test_who_is_left_waiting_is_told_why(
    questions: list[tuple[int, int]], limit: int, moves: list[int], money: bool
) -> None:
    """Nothing hangs: with nothing under way, a question that does not fit has a reason."""
    run = Run(limits(limit)[money], questions)
    run.play(moves)

    assert run.spending.reserved == NOTHING
    expected = run.spending.expected(run.waiting[0][0]) if run.waiting else NOTHING
    assert bool(exhausted(run.budget, run.used, expected)) >= bool(run.waiting)


def test_estimates_that_are_far_too_low_are_not_believed_for_long() -> None:
    """Each answer is three times as dear; the first one that returns teaches the others."""
    run = Run(Budget(max_tokens=100_000), [(1000, 3000)] * 200)
    for _ in range(8):
        run.begin()
    run.end(0)
    run.play([])

    assert not overrun(run.budget, run.used)
    assert Amount.of(run.used).tokens == 99_000


@given(st.lists(st.floats(0.01, 1.0), max_size=20))
def test_estimates_that_were_high_enough_are_not_touched(shares: list[float]) -> None:
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
def test_what_came_out_dearer_is_expected_to_do_so_again(
    shares: list[float], factor: float
) -> None:
    """By its mean, and by how much it varies; what was refused without a look says nothing."""
    excess = Excess()
    for share in shares:
        excess = excess.seen(100.0, 100.0 * share)

    assert excess.factor == pytest.approx(factor)


def test_money_and_tokens_are_corrected_apart() -> None:
    """An answer costs five times what a prompt does: it may be dear, and short."""
    estimate = Usage(1, 1000, 0, 100, Decimal("0.01"))
    spending = Spending().begun(NOTHING)
    spending = spending.ended(NOTHING, estimate, replace(estimate, cost=Decimal("0.02")))

    assert spending.expected(estimate) == Amount(1100, Decimal("0.02"))


def test_what_the_next_one_is_expected_to_take_is_known_until_it_begins() -> None:
    """By what others have taught meanwhile."""
    one, first = usage(100), Amount.of(usage(100))
    waits = Spending().begun(first).held_back(one)
    taught = waits.ended(first, one, usage(300))

    assert waits.wanted == first
    assert taught.wanted == taught.expected(one) == Amount.of(usage(300))
    assert taught.begun(taught.wanted).wanted == NOTHING


FIRST = (
    "Nothing was asked: the first question is expected to take 3400 tokens, and "
    "spec.budget.maxTokens allows 500. Write 3400 or more; spec.dryRun tells what the whole run "
    "takes."
)
NEXT = (
    "This run has used 450 of 500 tokens, and the next question is expected to take 100. What is "
    "settled stays; raise spec.budget.maxTokens to go on, to 550 or more."
)
REACHED = (
    "This run has used 640 of 500 tokens. What is settled stays; raise spec.budget.maxTokens to "
    "go on."
)
COST = (
    "This run has cost 4.50 of 5.00, and the next question is expected to cost 1.00. What is "
    "settled stays; raise spec.budget.maxCost to go on, to 5.50 or more."
)


@pytest.mark.parametrize(
    ("budget", "used", "wanted", "reason", "message"),
    [
        (Budget(max_tokens=500), 0, 3400, "BudgetTooSmall", FIRST),
        (Budget(max_tokens=500), 450, 100, "BudgetReached", NEXT),
        (Budget(max_tokens=500), 640, 100, "BudgetReached", REACHED),
        (Budget(max_tokens=500), 640, 0, "BudgetReached", REACHED),
        (Budget(max_cost="5"), 450, 100, "BudgetReached", COST),
        (Budget(max_tokens=10**6, max_cost="5"), 450, 100, "BudgetReached", COST),
    ],
)
def test_what_is_in_the_way_is_told_with_what_to_write(
    budget: Budget, used: int, wanted: int, reason: str, message: str
) -> None:
    spent = usage(used) if used else NO_USAGE
    found = exhausted(budget, spent, Amount.of(usage(wanted)))

    assert found is not None
    assert (found.reason, found.message) == (reason, message)


def test_each_limit_that_is_in_the_way_is_told() -> None:
    """Or raising the one would only show the other."""
    found = exhausted(Budget(max_tokens=500, max_cost="5"), usage(500), Amount.of(usage(10)))

    assert found is not None
    assert "raise spec.budget.maxTokens to go on" in found.message
    assert "raise spec.budget.maxCost to go on" in found.message


def test_what_was_asked_and_took_nothing_was_asked() -> None:
    """Three times 500, say."""
    found = exhausted(Budget(max_tokens=500), Usage(requests=3), Amount.of(usage(3400)))

    assert found is not None
    assert found.reason == "BudgetReached"


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.decimals(0, 100, places=7))
def test_what_one_is_told_to_write_is_enough(limit: int, used: int, wanted: Decimal) -> None:
    """Rounded up, never down."""
    spent = replace(usage(used), cost=used * Decimal("0.000001"))
    found = exhausted(Budget(max_cost=str(limit * CENT / 100)), spent, Amount(0, wanted))
    for words in ("Write ", "to go on, to "):
        if found and words in found.message:
            written = found.message.partition(words)[2].split()[0]
            assert not exhausted(Budget(max_cost=written), spent, Amount(0, wanted))


@pytest.mark.parametrize("budget", [Budget(), Budget(max_tokens=100), Budget(max_cost="1")])
def test_what_fits_exactly_fits(budget: Budget) -> None:
    assert not exhausted(budget, usage(60), Amount.of(usage(40)))
    assert fits(budget, usage(60), Amount.of(usage(10)), Amount.of(usage(30)))


def test_without_a_limit_nothing_is_too_much() -> None:
    """Nor is what costs nothing, under any limit that is not reached."""
    assert fits(Budget(), usage(10**9), Amount.of(usage(10**9)))
    assert fits(Budget(max_tokens=1, max_cost="0.0001"), NO_USAGE, NOTHING)


TOKENS_OVER = (
    "It has used 640 tokens, 140 more than spec.budget.maxTokens allows: the last answers took "
    "more than was expected, or the limit was lowered."
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
    ],
)
def test_by_how_much_a_run_went_over_is_told(budget: Budget, used: int, said: str) -> None:
    assert overrun(budget, usage(used)) == said
