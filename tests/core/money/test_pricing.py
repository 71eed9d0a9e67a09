"""What requests cost."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.money.pricing import price, shown
from capscan.model import Pricing, Usage

PRICING = Pricing(
    input_per_million_tokens="3",
    cached_input_per_million_tokens="0.3",
    output_per_million_tokens="15",
)


def test_each_kind_of_token_has_its_price() -> None:
    usage = Usage(1, input_tokens=1_500_000, cached_input_tokens=500_000, output_tokens=200_000)

    assert price(usage, PRICING) == Decimal(3) + Decimal("0.15") + Decimal(3)


def test_cached_tokens_cost_as_much_as_others_without_a_price_of_their_own() -> None:
    usage = Usage(1, input_tokens=1_000_000, cached_input_tokens=400_000)

    assert price(usage, Pricing(input_per_million_tokens="3")) == 3


def test_without_a_pricing_the_cost_is_zero() -> None:
    assert price(Usage(9, 10**6, 0, 10**6), None) == 0


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_no_cost_is_negative(prompt: int, cached: int, answer: int) -> None:
    """That holds even where a provider claims that more tokens came from its cache than were
    sent.
    """
    assert price(Usage(1, prompt, cached, answer), PRICING) >= 0


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        ("0", "0.00"),
        ("3", "3.00"),
        ("12.5", "12.50"),
        ("0.123456", "0.1235"),
        ("0.00001234", "0.00001234"),
        ("1200", "1200.00"),
    ],
)
def test_a_cost_is_shown_as_money(cost: str, text: str) -> None:
    assert shown(Decimal(cost)) == text
