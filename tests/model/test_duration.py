"""Durations: what is read, what is refused, what is written."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.model.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("2m30s", 150),
        ("1h", 3600),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("1h1m1s1ms", 3661.001),
        ("1s1s", 2),
        ("0s", 0),
    ],
)
def test_durations_are_read_as_kubernetes_reads_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "90", "s", "-1s", "+1s", "1 s", "1d", "1us", ".5s", "1.s", "1S", "1s\n", "\u0663s"]
)
def test_a_text_that_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="2m30s"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["99999999999999999h", f"{'9' * 400}s"])
def test_a_duration_beyond_all_bounds_is_refused_as_well(text: str) -> None:
    """pydantic does not catch an OverflowError, so that parsing the object would raise it."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (1, "1s"),
        (1.4, "1s"),
        (59.7, "1m"),
        (60, "1m"),
        (150, "2m30s"),
        (3600, "1h"),
        (3601, "1h1s"),
        (100_000, "27h46m40s"),
    ],
)
def test_durations_are_written_short(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@given(st.integers(min_value=0, max_value=10**9))
def test_whole_seconds_survive_the_round_trip(seconds: int) -> None:
    duration = timedelta(seconds=seconds)

    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(min_value=1, max_value=999))
def test_milliseconds_below_a_second_survive_the_round_trip(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)

    assert parse_duration(format_duration(duration)) == duration
