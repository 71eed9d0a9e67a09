"""Keeps account of what is set aside for the questions of a run that are under way, and learns from
their answers how far estimates are off.

The limits are in `core/money/budget.py`; who waits for room is in `scan/within_budget.py`.
"""

import math
from dataclasses import dataclass, replace
from decimal import Decimal

from capscan.core.money.amount import NOTHING, Amount
from capscan.model import Usage
from capscan.model.completion import NO_USAGE

DEVIATIONS = 2.0
"""So many standard deviations above the mean are set aside for a question."""
FACTOR_MAX = 1_000.0
"""No estimate is as far off: a server that counts more has lost count."""


@dataclass(frozen=True, slots=True)
class Excess:
    """The share by which questions turn out dearer than estimated. A cheaper question counts as 0,
    so that estimates which are upper bounds stay as they are. Mean and variance are kept after
    Welford (Technometrics, 1962).
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """The sum of the squared differences from the mean."""

    @property
    def factor(self) -> float:
        """The factor that an estimate is to be multiplied by; 1 or more."""
        deviation = math.sqrt(self.squares / self.count) if self.count else 0.0
        return min(1.0 + self.mean + DEVIATIONS * deviation, FACTOR_MAX)

    def seen(self, estimated: float, actual: float) -> "Excess":
        """Return the excess after one more question. One that was free or not looked at is left
        out.
        """
        if estimated <= 0 or actual <= 0:
            return self
        too_many = actual > estimated * FACTOR_MAX  # or more digits than a float has
        share = FACTOR_MAX if too_many else max(0.0, actual / estimated - 1.0)
        mean = self.mean + (share - self.mean) / (self.count + 1)
        squares = self.squares + (share - self.mean) * (share - mean)
        return Excess(self.count + 1, mean, squares)


@dataclass(frozen=True, slots=True)
class Spending:
    """What is set aside for the questions under way, what the next one waits for, and how
    estimates have held so far.
    """

    reserved: Amount = NOTHING
    under_way: int = 0
    waiting: Usage = NO_USAGE
    """The estimate of the next question, where it has to wait for room."""
    in_tokens: Excess = Excess()
    in_cost: Excess = Excess()

    @property
    def wanted(self) -> Amount:
        """What the next question is expected to take, by all that is known now; NOTHING where no
        question waits for room.
        """
        return self.expected(self.waiting)

    def expected(self, estimate: Usage) -> Amount:
        """Return what to set aside for a question with this estimate of the provider."""
        plain = Amount.of(estimate)
        cost_factor = Decimal(f"{self.in_cost.factor:.4f}")
        return Amount(math.ceil(plain.tokens * self.in_tokens.factor), plain.cost * cost_factor)

    def begun(self, expected: Amount) -> "Spending":
        """Return the spending with one more question under way."""
        reserved, under_way = self.reserved + expected, self.under_way + 1
        return replace(self, reserved=reserved, under_way=under_way, waiting=NO_USAGE)

    def held_back(self, estimate: Usage) -> "Spending":
        """Return the spending with a next question that has to wait for room."""
        return replace(self, waiting=estimate)

    def ended(self, expected: Amount, estimate: Usage, actual: Usage) -> "Spending":
        """Return the spending after a question came back, with an answer or with an error."""
        estimated, spent = Amount.of(estimate), Amount.of(actual)
        left = self.under_way - 1
        return replace(
            self,
            reserved=self.reserved - expected
            if left
            else NOTHING,  # rounding may leave something over
            under_way=left,
            in_tokens=self.in_tokens.seen(estimated.tokens, spent.tokens),
            in_cost=self.in_cost.seen(float(estimated.cost), float(spent.cost)),
        )


UNSPENT = Spending()
