"""Waits and moments in every spelling that servers use, and what is taken for none."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.limits.waits import WAIT_S_MAX, leading_span_s, moment, wait_s

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EPOCH_S = 1767268800
"""NOW in seconds since 1970."""


@pytest.mark.parametrize(
    ("spelling", "seconds"),
    [
        ("34", 34.0),
        (" 34.07 ", 34.07),
        ("30s", 30.0),
        ("2m", 120.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("9m38.016s", 578.016),
        ("1h", 3600.0),
        ("30 seconds", 30.0),
        ("2 Minutes", 120.0),
        ("00:00:34", 34.0),
        ("2:00:05", 7205.0),
        ("PT30S", 30.0),
        ("PT1M0.5S", 60.5),
        ("10, 120", 120.0),
        ("34s, 60", 60.0),
        ("5;comment=x", 5.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thursday, 01-Jan-26 12:00:30 GMT", 30.0),
        ("Thu Jan  1 12:00:30 2026", 30.0),
        ("2026-01-01T12:00:30Z", 30.0),
        ("2026-01-01 12:00:30", 30.0),
        ("2026-01-01T11:00:00Z", 0.0),
        (f"{EPOCH_S + 30}", 30.0),
        (f"{EPOCH_S + 30}.5", 30.5),
        (f"{EPOCH_S + 30}250", 30.25),
        (f"{EPOCH_S - 30}", 0.0),
        ("86400", 86400.0),
        ("86401", WAIT_S_MAX),
        ("31536000", WAIT_S_MAX),
        ("3d", WAIT_S_MAX),
        ("2026-03-01T12:00:00Z", WAIT_S_MAX),
    ],
)
def test_a_wait_is_read_in_every_spelling_and_is_a_day_at_most(
    spelling: str, seconds: float
) -> None:
    assert wait_s(spelling, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "spelling",
    ["", " ", "-1", "-3s", "+3", "1e1", "nan", "inf", "null", "never", "1_000", "٣٤", "½", "0x10",
     "12.5.1", "9" * 30, "9" * 80, "6m 0s", "s", "P", "PT", "1 fortnight", ",", ";",
     "9999-12-31T23:59:59Z", "40000000", "99999999999999"],
)  # fmt: skip
def test_what_nobody_can_mean_is_no_wait(spelling: str) -> None:
    """A wait of more than a year is a mistake, and so is a moment that is as far away."""
    assert wait_s(spelling, NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("9m38.016s. More of it", 578.016),
        ("644ms.", 0.644),
        ("1 hour and 5 minutes", 3900.0),
        ("1 hour, 5 minutes left", 3900.0),
        ("7m12s)", 432.0),
        ("2.12:30:00.", 217800.0),
        ("02:11:55", 7915.0),
        ("5 regions", None),
        ("5", None),
        ("", None),
    ],
)
def test_the_span_that_a_text_begins_with_is_read(text: str, seconds: float | None) -> None:
    assert leading_span_s(text) == pytest.approx(seconds)


@given(
    st.text(max_size=70) | st.from_regex(r"[\dPTHMSDa-z:.,; +-]{0,64}"), st.integers(-9999, 9999)
)
def test_any_text_is_a_wait_within_bounds_or_none(text: str, hours: int) -> None:
    found = wait_s(text, NOW + timedelta(hours=hours))
    span_s = leading_span_s(text)

    assert found is None or 0 <= found <= WAIT_S_MAX
    assert span_s is None or span_s >= 0
    at = moment(text)
    assert at is None or at.tzinfo is not None
