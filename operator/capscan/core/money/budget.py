"""Decides what a run may still use of its budget. All of its requests count, failed ones too.

A question is begun only where what it is expected to take still fits, beside what was spent and
what the questions under way are expected to take. `core/money/spending.py` keeps account of these.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from capscan.core.conditions import Stall
from capscan.core.money.amount import NOTHING, Amount
from capscan.core.money.pricing import bounded, plain, rounded
from capscan.model import Budget, Progress, Usage

EXHAUSTED = frozenset({"BudgetTooSmall", "BudgetReached"})
"""The reasons of stalls that only an edit of the budget ends."""


def needs_prices(budget: Budget) -> bool:
    """Whether the budget limits money."""
    return bool(_max_cost(budget))


def _max_cost(budget: Budget) -> Decimal:
    """Return the limit of money; 0 where there is none."""
    return Decimal(budget.max_cost or 0)


def fits(budget: Budget, used: Usage, wanted: Amount, reserved: Amount = NOTHING) -> bool:
    """Whether a question may be begun that is expected to take `wanted`."""
    return all(limit.allows for limit in _limits(budget, used, reserved + wanted))


def rest_of(used: Usage, progress: Progress, wanted: Amount = NOTHING) -> Amount:
    """Return what to leave for the items that are left. Each is expected to take what the others
    took so far on average, and the last one needs room for `wanted` too. NOTHING where no item was
    asked about yet.
    """
    asked, left = progress.completed + progress.failed, progress.total - progress.settled
    if not (asked and left):
        return NOTHING
    so_far = Amount.of(used)
    tokens, cost = Decimal(so_far.tokens) / asked, so_far.cost / asked
    return Amount(
        math.ceil((left - 1) * tokens + max(tokens, Decimal(wanted.tokens))),
        (left - 1) * cost + max(cost, wanted.cost),
    )


def exhausted(
    budget: Budget, used: Usage, wanted: Amount = NOTHING, rest: Amount = NOTHING
) -> Stall | None:
    """Return why no question may be begun that is expected to take `wanted`; None where one may.
    `rest` is roughly what all remaining questions take. Either is NOTHING where nobody knows it.
    """
    limits = tuple(_limits(budget, used, wanted, rest))
    ends = [limit for limit in limits if not limit.allows]
    if not ends:
        return None
    if not used.requests:
        return Stall("BudgetTooSmall", _too_small(ends))
    return Stall("BudgetReached", _reached(ends, [limit for limit in limits if limit.is_short]))


def overrun(budget: Budget, used: Usage) -> str:
    """Return in a sentence by how much a run went over its budget; empty where it did not."""
    over = [
        f"{limit.words.taken} {limit.words.show(limit.used)}{limit.words.unit}, "
        f"{limit.words.show(limit.used - limit.of)} more than {limit.field} allows"
        for limit in _limits(budget, used)
        if limit.used > limit.of
    ]
    if not over:
        return ""
    return (
        f"It has {', and '.join(over)}: the last answers took more than was expected, or the limit "
        "was lowered."
    )


def _two_digits(amount: Decimal) -> Decimal:
    return Decimal(1).scaleb(amount.adjusted() - 1)


def _money(cost: Decimal) -> str:
    cost = bounded(cost)
    return plain(rounded(cost, min(Decimal("0.0001"), _two_digits(cost))))


def _money_up(cost: Decimal) -> str:
    cost = bounded(cost)
    return plain(rounded(cost, min(Decimal("0.01"), _two_digits(cost)), ROUND_UP))


def _count(tokens: Decimal) -> str:
    return str(int(tokens))


@dataclass(frozen=True, slots=True)
class _Words:
    """How a message speaks of tokens or of money."""

    take: str
    taken: str
    unit: str
    show: Callable[[Decimal], str]
    write: Callable[[Decimal], str]
    """Formats an amount as it can be written into the spec: rounded up, so that it is enough."""


_TOKENS = _Words("take", "used", " tokens", _count, _count)
_MONEY = _Words("cost", "cost", "", _money, _money_up)


@dataclass(frozen=True, slots=True)
class _Limit:
    """One limit that a budget sets, and what counts against it."""

    field: str
    words: _Words
    of: Decimal
    used: Decimal
    wanted: Decimal
    rest: Decimal

    @property
    def allows(self) -> bool:
        """Whether the question fits. A limit that is reached allows nothing, not even what is
        free.
        """
        return self.used < self.of and self.used + self.wanted <= self.of

    @property
    def is_short(self) -> bool:
        """Whether it is too low for the rest of the run, as far as that is known."""
        return self.rest > 0 and self.used + self.rest > self.of

    @property
    def state(self) -> str:
        words = self.words
        return f"{words.taken} {words.show(self.used)} of {words.show(self.of)}{words.unit}"

    @property
    def next(self) -> str:
        return f"{self.words.take} {self.words.show(self.wanted)}{self.words.unit}"

    @property
    def least(self) -> str:
        """What to write into the spec so that the next question is asked."""
        if self.wanted:
            return f"{self.field} to at least {self.words.write(self.used + self.wanted)}"
        return f"{self.field} to more than {self.words.write(self.used)}"

    @property
    def whole(self) -> str:
        """What the whole run takes, as well as one can know: in two digits."""
        whole = self.used + self.rest
        about = self.words.write(rounded(whole, _two_digits(whole), ROUND_UP))
        return f"{self.words.take}s about {about}{self.words.unit}"


def _limits(
    budget: Budget, used: Usage, wanted: Amount = NOTHING, rest: Amount = NOTHING
) -> Iterator[_Limit]:
    amounts = Amount.of(used), wanted, rest
    if budget.max_tokens:
        tokens = (Decimal(amount.tokens) for amount in amounts)
        yield _Limit("spec.budget.maxTokens", _TOKENS, Decimal(budget.max_tokens), *tokens)
    if max_cost := _max_cost(budget):
        costs = (amount.cost for amount in amounts)
        yield _Limit("spec.budget.maxCost", _MONEY, max_cost, *costs)


def _too_small(ends: Sequence[_Limit]) -> str:
    allowed = _and(f"{limit.words.show(limit.of)}{limit.words.unit}" for limit in ends)
    return (
        f"Nothing was asked: the first question is expected to {_and(one.next for one in ends)}, "
        f"and spec.budget allows {allowed}. To begin, raise {_and(one.least for one in ends)}; "
        "spec.dryRun tells what the whole run takes."
    )


def _reached(ends: Sequence[_Limit], short: Sequence[_Limit]) -> str:
    wanted = _and(limit.next for limit in ends if limit.used < limit.of)
    expected = f", and the next question is expected to {wanted}" if wanted else ""
    whole = f"; the whole run {_and(one.whole for one in short)}" if short else ""
    return (
        f"This run has {_and(one.state for one in ends)}{expected}; what is settled stays. "
        f"To go on, raise {_and(one.least for one in ends)}{whole}."
    )


def _and(parts: Iterable[str]) -> str:
    return " and ".join(parts)
