"""What headers say about limits, and what nonsense is not taken for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.limits.ratelimit_headers import observed_limits, retry_after_s
from capscan.core.limits.waits import WAIT_S_MAX
from capscan.model import ObservedLimit, ObservedLimits

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_openai() -> None:
    headers = {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "599",
        "x-ratelimit-reset-requests": "100ms",
        "X-RateLimit-Limit-Tokens": "480000",
        "X-RateLimit-Remaining-Tokens": "478000",
        "X-RateLimit-Reset-Tokens": "1m0.25s",
    }

    assert observed_limits(headers, NOW) == ObservedLimits(
        requests=ObservedLimit(600, 599, 0.1), input_tokens=ObservedLimit(480000, 478000, 60.25)
    )


def test_anthropic() -> None:
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-01-01T12:00:02Z",
        "anthropic-ratelimit-tokens-limit": "48000",
        "anthropic-ratelimit-tokens-remaining": "48000",
        "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-input-tokens-remaining": "39000",
        "anthropic-ratelimit-input-tokens-reset": "2026-01-01T12:00:01Z",
        "anthropic-ratelimit-output-tokens-limit": "8000",
        "anthropic-ratelimit-output-tokens-remaining": "8000",
        "anthropic-ratelimit-output-tokens-reset": "2026-01-01T11:59:59Z",
    }

    assert observed_limits(headers, NOW) == ObservedLimits(
        requests=ObservedLimit(50, 49, 2.0),
        input_tokens=ObservedLimit(40000, 39000, 1.0),
        output_tokens=ObservedLimit(8000, 8000, 0.0),
    )


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}])
def test_headers_that_say_nothing_are_none(headers: dict[str, str]) -> None:
    assert observed_limits(headers, NOW) is None


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("12ms", 0.012),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("850µs", 0.00085),
        ("0s", 0.0),
        ("7", 7.0),
        ("0.25", 0.25),
        ("2026-01-01T12:01:00Z", 60.0),
        ("2026-01-01T13:00:30.5+01:00", 30.5),
        ("", None),
        ("-1", None),
        ("-5s", None),
        ("6m 0s", None),
        ("s", None),
        ("nan", None),
        ("inf", None),
        ("１２ms", None),
        ("tomorrow", None),
        ("1767268830", 30.0),
        ("1767268830500", 30.5),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("31536000", 86400.0),
        ("9" * 400, None),
        ("9" * 60, None),
        ("9999-12-31T23:59:59Z", None),
        ("0001-01-01T00:00:00+23:59", 0.0),
    ],
)
def test_resets_are_read_in_every_form(reset: str, seconds: float | None) -> None:
    headers = {"x-ratelimit-limit-requests": "600", "x-ratelimit-reset-requests": reset}
    observed = observed_limits(headers, NOW)

    assert observed is not None
    assert observed.requests is not None
    assert observed.requests.reset_s == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("600", 600), (" 600 ", 600), ("600.0", 600), ("0", 0)]
    + [(text, None) for text in ("-1", "", "nan", "1e9", "600, 600", "٦٠٠", "9" * 50, "0x10")],
)
def test_amounts_are_read_or_ignored(limit: str, expected: int | None) -> None:
    """Azure says -1 where it means that there is no limit."""
    headers = {"x-ratelimit-limit-tokens": limit, "x-ratelimit-remaining-tokens": "1"}

    assert observed_limits(headers, NOW) == ObservedLimits(input_tokens=ObservedLimit(expected, 1))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "86400"}, 86400.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "a while"}, None),
        ({"retry-after": "Thu, 99 Jan 2026 12:00:30 GMT"}, None),
        ({"retry-after": "9" * 30}, None),
        ({"retry-after": "½"}, None),
        ({"retry-after": "1m30s"}, 90.0),
        ({"retry-after": "31536000"}, 86400.0),
        ({"x-ms-retry-after-ms": "500"}, 0.5),
        ({"retry-after-ms": "99999999999"}, None),
        ({"x-ratelimit-reset-after": "3"}, 3.0),
        ({"x-ratelimit-reset": "1767268830"}, 30.0),
        ({"x-ratelimit-reset": "1767268830000", "x-ratelimit-remaining": "0"}, 30.0),
        ({"x-ratelimit-reset": "1767268830", "x-ratelimit-remaining": "4"}, None),
        ({"RateLimit-Reset": "23", "RateLimit-Remaining": "0"}, 23.0),
        ({"ratelimit": '"default";r=0;t=30'}, 30.0),
        ({"ratelimit": '"default";r=5;t=30'}, None),
        ({"ratelimit": "limit=100, remaining=0, reset=30"}, 30.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == pytest.approx(seconds)


NAMES = st.sampled_from(
    [
        "retry-after",
        "retry-after-ms",
        "x-ratelimit-reset",
        "ratelimit",
        *(f"x-ratelimit-{part}-requests" for part in ("limit", "remaining", "reset")),
        *(f"anthropic-ratelimit-tokens-{part}" for part in ("limit", "remaining", "reset")),
    ]
)
VALUES = st.text(max_size=80) | st.from_regex(r"[\d.:+hmsµTZ -]{0,70}")


@given(st.dictionaries(NAMES, VALUES), st.integers(-(10**5), 10**5))
def test_nonsense_raises_nothing_and_stays_within_bounds(
    headers: dict[str, str], hours: int
) -> None:
    now = NOW + timedelta(hours=hours)
    wait_s = retry_after_s(headers, now)
    observed = observed_limits(headers, now)

    assert wait_s is None or 0 <= wait_s <= WAIT_S_MAX
    for limit in (observed.requests, observed.input_tokens) if observed else ():
        if limit is not None:
            assert limit.limit is None or limit.limit >= 0
            assert limit.remaining is None or limit.remaining >= 0
            assert limit.reset_s is None or 0 <= limit.reset_s <= WAIT_S_MAX
