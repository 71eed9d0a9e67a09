"""Whole runs within a budget, whose questions return in any order."""

from hypothesis import given
from hypothesis import strategies as st

from capscan.core.money.amount import NOTHING, Amount
from capscan.core.money.budget import exhausted, fits, overrun
from capscan.core.money.spending import Spending
from capscan.model import Budget, Usage
from capscan.model.completion import NO_USAGE
from tests.core.money.budgets import limits, usage


class Run:
    """Questions that are begun as far as the budget goes, and return in any order."""

    def __init__(self, budget: Budget, questions: list[tuple[int, int]]) -> None:
        self.budget = budget
        self.waiting = [(usage(estimated), usage(actual)) for estimated, actual in questions]
        self.flying: list[tuple[Amount, Usage, Usage]] = []
        self.used = NO_USAGE
        self.spending = Spending()

    def begin(self) -> bool:
        """Begin the next question if there is room for it."""
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
        """End one of the questions under way."""
        expected, estimate, actual = self.flying.pop(which % len(self.flying))
        self.used += actual
        self.spending = self.spending.ended(expected, estimate, actual)

    def play(self, moves: list[int]) -> None:
        """Begin or end a question at each move; then begin and end as many as there is room for."""
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
def test_a_sufficient_budget_keeps_no_question_from_being_asked(
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
def test_a_question_that_is_left_waiting_has_a_reason(
    questions: list[tuple[int, int]], limit: int, moves: list[int], money: bool
) -> None:
    """So nothing hangs: once nothing is under way, the run either ends or stalls."""
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
