"""Amounts of money: decimal numbers in strings, since no float may reach a bill."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

COST_MAX = Decimal(10) ** 15
"""A larger sum is shown as this one. With twelve decimals it still has fewer than 32 characters."""

_AMOUNT = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)


def _plain(text: str) -> str:
    if text and not _AMOUNT.fullmatch(text):
        raise ValueError("not a decimal number")
    return text


Amount = Annotated[str, Field(max_length=16), AfterValidator(_plain)]
"""A price. A rule of the CRD says the same in words; this holds for objects older than the rule."""

Limit = Annotated[str, Field(max_length=32), AfterValidator(_plain)]
"""A limit of money, read as a price is."""


def sum_in(text: str | None) -> Decimal:
    """Return the sum that a status shows; 0 where somebody wrote over it what is none."""
    if text is None or not _SUM.fullmatch(text):
        return Decimal(0)
    return min(Decimal(text), COST_MAX)


_SUM = re.compile(r"[0-9]{1,32}(?:\.[0-9]{1,32})?", re.ASCII)
