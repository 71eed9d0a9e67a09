"""Computes what requests cost, in the currency of the account's pricing, and formats amounts."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

from capscan.model import Pricing, Usage
from capscan.model.money import COST_MAX

_MILLION = Decimal(1_000_000)
_SHOWN = Decimal("0.0001")
_SMALLEST = Decimal("0.000000000001")
"""One token at the lowest price that can be written."""
_EXACT = Context(prec=64)
"""Rounds any sum up to COST_MAX, whatever counts a server has reported."""


def price(usage: Usage, pricing: Pricing | None) -> Decimal:
    """Return the exact cost; 0 without a pricing. Tokens from the provider's cache cost as much as
    other prompt tokens unless the pricing says otherwise.
    """
    if pricing is None:
        return Decimal(0)
    full = Decimal(pricing.input_per_million_tokens)
    cached = pricing.cached_input_per_million_tokens
    cached_price = full if cached is None else Decimal(cached)
    cached_tokens = min(usage.cached_input_tokens, usage.input_tokens)
    return (
        (usage.input_tokens - cached_tokens) * full
        + cached_tokens * cached_price
        + usage.output_tokens * Decimal(pricing.output_per_million_tokens)
    ) / _MILLION


def shown(cost: Decimal) -> str:
    """Return the cost as the status shows it: rounded to four decimals, or in full where it is
    smaller than that.
    """
    cost = bounded(cost)
    return plain(rounded(cost, _SHOWN) if cost >= _SHOWN else cost)


def shown_sum(cost: Decimal) -> str:
    """Return a sum that somebody counts on from its text: in full."""
    return plain(bounded(cost))


def bounded(cost: Decimal) -> Decimal:
    """Return the cost within what can be shown: no less than 0, and COST_MAX at most."""
    return rounded(min(max(cost, Decimal(0)), COST_MAX), _SMALLEST)


def rounded(cost: Decimal, step: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Return the cost to a multiple of `step`."""
    return cost.quantize(step, rounding, context=_EXACT)


def plain(cost: Decimal) -> str:
    """Return the cost with all its digits, and with at least two decimals."""
    text = f"{cost.normalize(_EXACT):f}"
    whole, point, rest = text.partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}" if point else f"{whole}.00"
