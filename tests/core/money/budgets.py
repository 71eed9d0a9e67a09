"""Budgets and usages for the tests of both: a token costs a cent."""

from decimal import Decimal

from capscan.model import Budget, Usage

CENT = Decimal("0.01")


def usage(tokens: int) -> Usage:
    """A token costs a cent."""
    return Usage(1, input_tokens=tokens, cost=tokens * CENT)


def limits(tokens: int) -> list[Budget]:
    """The same limit, said in one way and in the other."""
    return [Budget(max_tokens=tokens), Budget(max_cost=str(tokens * CENT))]
