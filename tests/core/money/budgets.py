"""Budgets and usages for the tests of both: a token costs a cent."""

from decimal import Decimal

from capscan.model import Budget, Usage

CENT = Decimal("0.01")


def usage(tokens: int) -> Usage:
    """Return a usage of so many tokens, each of which costs a cent."""
    return Usage(1, input_tokens=tokens, cost=tokens * CENT)


def limits(tokens: int) -> list[Budget]:
    """Return the same limit in tokens and in money."""
    return [Budget(max_tokens=tokens), Budget(max_cost=str(tokens * CENT))]
