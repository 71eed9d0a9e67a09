"""Computes what requests cost, in the currency of the account's pricing, and formats amounts."""

from decimal import Decimal

from capscan.model import Pricing, Usage

_MILLION = Decimal(1_000_000)
_SHOWN = Decimal("0.0001")


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
    return plain(cost.quantize(_SHOWN) if cost >= _SHOWN else cost)


def plain(cost: Decimal) -> str:
    """Return the cost with all its digits, and with at least two decimals."""
    text = f"{cost.normalize():f}"
    whole, point, rest = text.partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}" if point else f"{whole}.00"
