"""What a response's headers say about an account's limits, and how long to wait.

OpenAI and those compatible to it: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, resets
as Go durations. Anthropic: `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-*`,
resets as RFC 3339 times. A header that cannot be read counts as absent; nothing is raised.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from capscan.model import ObservedLimit, ObservedLimits

VALUE_CHARS_MAX = 64
AMOUNT_MAX = 10**12
WAIT_S_MAX = 366 * 86400.0
"""A wait beyond a year is a mistake."""

_OPENAI = "x-ratelimit-{part}-{what}"
_ANTHROPIC = "anthropic-ratelimit-{what}-{part}"
_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_GO_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|μs|ns)", re.ASCII)
_GO_UNITS_S = {
    "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9,
}  # fmt: skip


def observed_limits(headers: Mapping[str, str], now: datetime) -> ObservedLimits | None:
    """Return the account's limits; None where the headers say nothing of them.

    A reset that is a time is counted from `now`. Give the response's own Date where it has one, so
    that it does not matter whether the clock here is right.
    """
    lower = {name.lower(): value for name, value in headers.items()}

    def limit(*whats: str) -> ObservedLimit | None:
        found = (_limit(lower, form, what, now) for form in (_ANTHROPIC, _OPENAI) for what in whats)
        return next((each for each in found if each is not None), None)

    observed = ObservedLimits(
        requests=limit("requests"),
        input_tokens=limit("input-tokens", "tokens"),
        output_tokens=limit("output-tokens"),
    )
    return None if observed == ObservedLimits() else observed


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds to wait: by `retry-after-ms`, or by `retry-after` as a number or as a date
    (RFC 9110). None where the headers do not say.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    milliseconds = _number(lower.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _wait_s(milliseconds / 1000)
    value = lower.get("retry-after", "").strip()
    seconds = _number(value)
    if seconds is not None:
        return _wait_s(seconds)
    at = http_date(value)
    return None if at is None else _wait_s(max(0.0, (at - now).total_seconds()))


def _limit(headers: Mapping[str, str], form: str, what: str, now: datetime) -> ObservedLimit | None:
    limit = _amount(headers.get(form.format(part="limit", what=what), ""))
    remaining = _amount(headers.get(form.format(part="remaining", what=what), ""))
    reset_s = _reset_s(headers.get(form.format(part="reset", what=what), ""), now)
    if limit is None and remaining is None:
        return None
    return ObservedLimit(limit, remaining, reset_s)


def _amount(text: str) -> int | None:
    """Return a count; None where it is none. Azure says -1 for no limit."""
    number = _number(text)
    return None if number is None or number > AMOUNT_MAX else int(number)


def _number(text: str) -> float | None:
    text = text.strip()
    if len(text) > VALUE_CHARS_MAX or not _NUMBER.fullmatch(text):
        return None
    return float(text)


def _reset_s(text: str, now: datetime) -> float | None:
    text = text.strip()
    if len(text) > VALUE_CHARS_MAX:
        return None
    seconds = _number(text)
    if seconds is None:
        seconds = _go_duration_s(text)
    if seconds is None:
        at = _rfc3339(text)
        seconds = None if at is None else max(0.0, (at - now).total_seconds())
    return None if seconds is None else _wait_s(seconds)


def _go_duration_s(text: str) -> float | None:
    """Return the seconds of a duration as Go's time.Duration prints it: 12ms, 6m0s, 1h2m3.5s."""
    total_s, end = 0.0, 0
    for part in _GO_PART.finditer(text):
        if part.start() != end:
            return None
        total_s += float(part[1]) * _GO_UNITS_S[part[2]]
        end = part.end()
    return total_s if text and end == len(text) else None


def _rfc3339(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def http_date(text: str) -> datetime | None:
    """Return the time that an HTTP date (RFC 9110) names; None for anything else."""
    if len(text) > VALUE_CHARS_MAX:
        return None
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _wait_s(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and seconds <= WAIT_S_MAX else None
