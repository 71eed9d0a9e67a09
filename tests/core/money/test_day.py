"""What an InferenceProvider may still spend in a day."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.money.amount import NOTHING, Amount
from capscan.core.money.day import Day, DayLimits
from capscan.model import Usage
from capscan.model.spent import SetAside, Today

TODAY = date(2026, 3, 1)
LIMITS = DayLimits(tokens=1_000, cost=Decimal("1.00"))


def test_a_request_fits_beside_what_was_used_and_what_is_under_way() -> None:
    day = Day(TODAY, Usage(3, 400, 0, 100, Decimal("0.10"))).begun(Amount(300, Decimal("0.50")))

    assert day.fits(LIMITS, Amount(200, Decimal("0.40")))
    assert not day.fits(LIMITS, Amount(201, Decimal("0.10")))
    assert not day.fits(LIMITS, Amount(1, Decimal("0.41")))
    assert day.fits(DayLimits(), Amount(10**9, Decimal(10**9)))


def test_an_unused_day_lets_one_request_through_that_is_larger_than_the_limit() -> None:
    large = Amount(5_000, Decimal(9))

    assert Day(TODAY).fits(LIMITS, large)
    assert not Day(TODAY, Usage(1, 1)).fits(LIMITS, large)
    assert not Day(TODAY).begun(large).fits(LIMITS, Amount(1))


@pytest.mark.parametrize(
    ("shown", "used"),
    [
        (None, 0),
        (Today(date=TODAY, requests=2, input_tokens=70, output_tokens=30), 100),
        (Today(date=TODAY, requests=2, input_tokens=70, set_aside=SetAside(tokens=9)), 79),
        (Today(date=TODAY - timedelta(days=1), requests=2, input_tokens=70), 0),
        # A clock that was set back a little brings no day back; a date of next year is nobody's.
        (Today(date=TODAY + timedelta(days=1), requests=2, input_tokens=70), 70),
        (Today(date=TODAY + timedelta(days=400), requests=2, input_tokens=70), 70),
        (Today(date=TODAY, requests=2**63 - 1, input_tokens=2**63 - 1, cost="x"), 10**18),
    ],
)
def test_a_day_goes_on_from_what_the_status_shows(shown: Today | None, used: int) -> None:
    day = Day.left(shown, TODAY)

    assert Amount.of(day.used).tokens == used
    assert day.date - TODAY <= timedelta(days=1)


def test_a_new_day_begins_unused_with_what_is_still_under_way() -> None:
    day = Day(TODAY, Usage(3, 400)).begun(Amount(300)).accounted_for(Amount(900))
    next_day = day.at(TODAY + timedelta(days=1))

    assert next_day.used == Usage()
    assert next_day.reserved == Amount(300)
    assert next_day.covered == NOTHING
    assert day.ends.isoformat() == "2026-03-02T00:00:00+00:00"


def test_nothing_is_set_aside_where_nothing_is_under_way_or_limited() -> None:
    assert Day(TODAY, Usage(3, 400)).set_aside(LIMITS, NOTHING) == NOTHING
    assert Day(TODAY).begun(Amount(5)).set_aside(DayLimits(), Amount(9)) == NOTHING


@given(
    st.lists(
        st.tuples(st.integers(1, 400), st.integers(0, 400), st.booleans()), min_size=1, max_size=60
    )
)
def test_the_written_status_always_accounts_for_what_is_sent(
    requests: list[tuple[int, int, bool]],
) -> None:
    """Each is sent once it fits and is covered, and takes no more than the most that it may."""
    day, under_way = Day(TODAY), list[tuple[Amount, Usage]]()
    written = 0
    for most, took, returns in requests:
        wanted = Amount(most, Decimal(most) / 1000)
        if day.fits(LIMITS, wanted):
            if not day.is_covered(LIMITS, wanted):
                aside = day.set_aside(LIMITS, wanted)
                day = day.accounted_for(Amount.of(day.used) + aside)
                written = day.covered.tokens
            assert day.is_covered(LIMITS, wanted)
            day = day.begun(wanted)
            taken = min(took, most)
            under_way.append((wanted, Usage(1, taken, 0, 0, Decimal(taken) / 1000)))
            assert Amount.of(day.used).tokens + day.reserved.tokens <= written
        if returns and under_way:
            day = day.ended(*under_way.pop(0))
    for one in under_way:
        day = day.ended(*one)

    assert LIMITS.allow(Amount.of(day.used))
    assert day.reserved == NOTHING


def test_a_message_names_the_limit_that_is_reached_alone() -> None:
    day = Day(TODAY, Usage(3, 900, 0, 50, Decimal("0.10")))
    said = day.reached("claude", LIMITS, Amount(60, Decimal("0.01")))

    assert said == (
        "The InferenceProvider claude has used 950 of 1000 tokens (spec.limits.maxTokensPerDay), "
        "and one more question may take 60. It goes on at 2026-03-02T00:00:00Z, when the next day "
        "begins in UTC, or once an administrator raises the limit."
    )
    dear = replace(day, used=Usage(3, 1, cost=Decimal("0.995")))
    assert "has used 0.995 of 1.00 (spec.limits.maxCostPerDay)" in dear.reached(
        "claude", LIMITS, Amount(60, Decimal("0.01"))
    )
