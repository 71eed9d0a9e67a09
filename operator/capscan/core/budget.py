"""What a run may use: all of its requests count, failed ones too.

A question is begun only where what it is expected to take still fits, beside what was spent and
what those under way are expected to take. Who waits for room, and until when, is
`scan/spending.py`'s.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_UP, Decimal

from capscan.core.conditions import Stall
from capscan.core.pricing import shown
from capscan.model import Budget, Usage
from capscan.model.completion import NO_USAGE

EXHAUSTED = frozenset({"BudgetTooSmall", "BudgetReached"})
"""Reasons of a stall that only an edit of the budget ends."""

DEVIATIONS = 2.0
"""Standard deviations above the mean that are set aside for a question."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Of what a budget limits."""

    tokens: int = 0
    cost: Decimal = Decimal(0)

    @classmethod
    def of(cls, usage: Usage) -> "Amount":
        """Prompt and answer together."""
        return cls(usage.input_tokens + usage.output_tokens, usage.cost)

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.tokens - other.tokens, self.cost - other.cost)


NOTHING = Amount()


@dataclass(frozen=True, slots=True)
class Excess:
    """By what share questions turn out dearer than estimated, each at least 0: so estimates that
    are upper bounds stay as they are. Mean and variance after Welford (Technometrics, 1962).
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """Of the differences from the mean, summed."""

    @property
    def factor(self) -> float:
        """What an estimate is to be multiplied by; 1 or more."""
        deviation = math.sqrt(self.squares / self.count) if self.count else 0.0
        return 1.0 + self.mean + DEVIATIONS * deviation

    def seen(self, estimated: float, actual: float) -> "Excess":
        """One more; a question that was free, or not looked at, says nothing."""
        if estimated <= 0 or actual <= 0:
            return self
        share = max(0.0, actual / estimated - 1.0)
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
    """The estimate of the next question, where there was no room for it."""
    in_tokens: Excess = Excess()
    in_cost: Excess = Excess()

    @property
    def wanted(self) -> Amount:
        """What the next question is expected to take, by all that is known now; NOTHING where none
        waits for room.
        """
        return self.expected(self.waiting)

    def expected(self, estimate: Usage) -> Amount:
        """What to set aside for a question that the provider estimates so."""
        plain = Amount.of(estimate)
        cost_factor = Decimal(f"{self.in_cost.factor:.4f}")
        return Amount(math.ceil(plain.tokens * self.in_tokens.factor), plain.cost * cost_factor)

    def begun(self, expected: Amount) -> "Spending":
        """One more is under way."""
        reserved, under_way = self.reserved + expected, self.under_way + 1
        return replace(self, reserved=reserved, under_way=under_way, waiting=NO_USAGE)

    def held_back(self, estimate: Usage) -> "Spending":
        """The next one has to wait for room."""
        return replace(self, waiting=estimate)

    def ended(self, expected: Amount, estimate: Usage, actual: Usage) -> "Spending":
        """It came back, for better or worse."""
        estimated, spent = Amount.of(estimate), Amount.of(actual)
        left = self.under_way - 1
        return replace(
            self,
            reserved=self.reserved - expected if left else NOTHING,  # not what rounding leaves over
            under_way=left,
            in_tokens=self.in_tokens.seen(estimated.tokens, spent.tokens),
            in_cost=self.in_cost.seen(float(estimated.cost), float(spent.cost)),
        )


UNSPENT = Spending()


def needs_prices(budget: Budget) -> bool:
    """Whether it limits money."""
    return bool(_max_cost(budget))


def _max_cost(budget: Budget) -> Decimal:
    """0 where there is none."""
    return Decimal(budget.max_cost or 0)


def fits(budget: Budget, used: Usage, wanted: Amount, reserved: Amount = NOTHING) -> bool:
    """Whether a question may be begun that is expected to take `wanted`."""
    return all(limit.allows for limit in _limits(budget, used, reserved + wanted))


def exhausted(budget: Budget, used: Usage, wanted: Amount = NOTHING) -> Stall | None:
    """Why no question may be begun that is expected to take `wanted`; None where one may."""
    stalls = [
        _reached(limit) if used.requests else _too_small(limit)
        for limit in _limits(budget, used, wanted)
        if not limit.allows
    ]
    return Stall(stalls[0].reason, " ".join(s.message for s in stalls)) if stalls else None


def overrun(budget: Budget, used: Usage) -> str:
    """By how much a run went over its budget, in a sentence; empty where it did not."""
    for limit in _limits(budget, used, NOTHING):
        if limit.used > limit.of:
            words = limit.words
            return (
                f"It has {words.taken} {words.show(limit.used)}{words.unit}, "
                f"{words.show(limit.used - limit.of)} more than {limit.field} allows: the last "
                "answers took more than was expected, or the limit was lowered."
            )
    return ""


@dataclass(frozen=True, slots=True)
class _Words:
    """How a message speaks of what is limited."""

    take: str
    taken: str
    unit: str
    show: Callable[[Decimal], str]
    step: Decimal


_TOKENS = _Words("take", "used", " tokens", lambda tokens: f"{tokens:f}", Decimal(1))
_MONEY = _Words("cost", "cost", "", shown, Decimal("0.0001"))


@dataclass(frozen=True, slots=True)
class _Limit:
    """One that a budget sets."""

    field: str
    words: _Words
    of: Decimal
    used: Decimal
    wanted: Decimal

    @property
    def allows(self) -> bool:
        """A limit that is reached allows nothing, not even what is free."""
        return self.used < self.of and self.used + self.wanted <= self.of

    @property
    def least(self) -> str:
        """What the field has to say at least, as one writes it."""
        return self.words.show((self.used + self.wanted).quantize(self.words.step, ROUND_UP))


def _limits(budget: Budget, used: Usage, wanted: Amount) -> Iterator[_Limit]:
    so_far = Amount.of(used)
    if budget.max_tokens:
        tokens = Decimal(budget.max_tokens), Decimal(so_far.tokens), Decimal(wanted.tokens)
        yield _Limit("spec.budget.maxTokens", _TOKENS, *tokens)
    if max_cost := _max_cost(budget):
        yield _Limit("spec.budget.maxCost", _MONEY, max_cost, so_far.cost, wanted.cost)


def _too_small(limit: _Limit) -> Stall:
    words = limit.words
    return Stall(
        "BudgetTooSmall",
        f"Nothing was asked: the first question is expected to {words.take} {limit.least}"
        f"{words.unit}, and {limit.field} allows {words.show(limit.of)}. Write {limit.least} or "
        "more; spec.dryRun tells what the whole run takes.",
    )


def _reached(limit: _Limit) -> Stall:
    words = limit.words
    used = f"This run has {words.taken} {words.show(limit.used)} of {words.show(limit.of)}"
    if limit.used >= limit.of:
        return Stall(
            "BudgetReached",
            f"{used}{words.unit}. What is settled stays; raise {limit.field} to go on.",
        )
    return Stall(
        "BudgetReached",
        f"{used}{words.unit}, and the next question is expected to {words.take} "
        f"{words.show(limit.wanted)}. What is settled stays; raise {limit.field} to go on, to "
        f"{limit.least} or more.",
    )
