"""Reads a wait or a moment in every spelling that servers use for one. Pure: `now` is given.

Spellings are numbers of seconds, durations as Go, .NET, ISO 8601 and people write them, and
moments: HTTP dates, RFC 3339, seconds or milliseconds since 1970. What cannot be read is None;
nothing is raised. Which header or which words hold a wait is known elsewhere.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SPELLING_CHARS_MAX = 64
WAIT_S_MAX = 86400.0
"""Nobody is made to wait longer than a day at once, whatever a server says."""
CREDIBLE_S_MAX = 366 * 86400.0
"""A wait beyond a year is a mistake, and counts as none."""
EPOCH_S_MIN = 1e9
"""A larger number is no wait of so many seconds, but a moment since 1970."""
EPOCH_MS_MIN = 1e12

_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_UNITS_S = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "msec": 1e-3, "msecs": 1e-3,
    "millisecond": 1e-3, "milliseconds": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0,
    "seconds": 1.0, "m": 60.0, "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0, "d": 86400.0,
    "day": 86400.0, "days": 86400.0,
}  # fmt: skip
_GO_PART = re.compile(r"(?<![\d.])(\d++(?:\.\d*+)?|\.\d++)(d|h|ms|m|s|us|µs|μs|ns)", re.ASCII)
_SAID_PART = re.compile(r"(\d+(?:\.\d+)?) ?([a-zµμ]{1,12})(?![a-zµμ])(?:,? and |, ?| )?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,3})\.)?(\d{1,3}):(\d\d):(\d\d)(?:\.\d{1,9})?(?![\d:])", re.ASCII)
_ISO = re.compile(
    r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8}(?:\.\d{1,9})?)S)?)?", re.ASCII
)


def wait_s(text: str, now: datetime) -> float | None:
    """Return the seconds from `now` that a header asks to wait, at most WAIT_S_MAX.

    Of a list, as one header makes of several, the longest wait is taken.
    """
    text = text.strip()
    if len(text) > SPELLING_CHARS_MAX:
        return None
    found = _one_wait_s(text, now)
    if found is None and ("," in text or ";" in text):
        items = [item.partition(";")[0].strip() for item in text.split(",")]
        waits = [_one_wait_s(item, now) for item in items]
        found = max((each for each in waits if each is not None), default=None)
    return found


def number(text: str) -> float | None:
    """Return a plain number, which has digits and at most one point."""
    text = text.strip()
    if len(text) > SPELLING_CHARS_MAX or not _NUMBER.fullmatch(text):
        return None
    return float(text)


def bounded_s(seconds: float) -> float | None:
    """Return the wait, at most WAIT_S_MAX; None for one that nobody can mean."""
    if not math.isfinite(seconds) or not 0 <= seconds <= CREDIBLE_S_MAX:
        return None
    return min(seconds, WAIT_S_MAX)


def go_duration_s(text: str) -> float | None:
    """Return the seconds of a duration as Go's time.Duration prints it: 12ms, 6m0s, 1h2m3.5s."""
    total_s, end = 0.0, 0
    for part in _GO_PART.finditer(text):
        if part.start() != end:
            return None
        total_s += float(part[1]) * _UNITS_S[part[2]]
        end = part.end()
    return total_s if text and end == len(text) else None


def leading_span_s(text: str) -> float | None:
    """Return the seconds of the duration that a text begins with: `9m38.016s.`, `1 hour and 5
    minutes`, `2.12:30:00`. A number without a unit is none.
    """
    text = text[:SPELLING_CHARS_MAX].lower()
    if clock := _CLOCK.match(text):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return days * 86400.0 + hours * 3600.0 + minutes * 60.0 + seconds
    total_s, end = 0.0, 0
    # Without blanks between the parts a unit is followed by the next part's digits.
    while part := _SAID_PART.match(text, end):
        if (unit_s := _UNITS_S.get(part[2])) is None:
            break
        total_s += float(part[1]) * unit_s
        end = part.end()
    return total_s if end else None


def moment(text: str) -> datetime | None:
    """Return the moment that a text names, as an HTTP date or as RFC 3339. It is in UTC where no
    zone is said.
    """
    if len(text) > SPELLING_CHARS_MAX:
        return None
    try:
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return http_date(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def http_date(text: str) -> datetime | None:
    """Return the time that an HTTP date (RFC 9110) names; None for anything else."""
    if len(text) > SPELLING_CHARS_MAX:
        return None
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def until_s(at: datetime, now: datetime) -> float | None:
    """Return the seconds from `now` until then; 0 where it is over."""
    try:
        return bounded_s(max(0.0, (at - now).total_seconds()))
    except OverflowError:
        return None


def _one_wait_s(text: str, now: datetime) -> float | None:
    if (amount := number(text)) is not None:
        return _seconds_or_moment_s(amount, now)
    for read in (go_duration_s, _iso_s, _said_s):
        if (seconds := read(text)) is not None:
            return bounded_s(seconds)
    at = moment(text)
    return None if at is None else until_s(at, now)


def _seconds_or_moment_s(amount: float, now: datetime) -> float | None:
    if amount < EPOCH_S_MIN:
        return bounded_s(amount)
    since_1970_s = amount / 1000 if amount >= EPOCH_MS_MIN else amount
    if since_1970_s > EPOCH_MS_MIN:
        return None
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=since_1970_s)
    except OverflowError:
        return None
    return until_s(at, now)


def _iso_s(text: str) -> float | None:
    found = _ISO.fullmatch(text)
    if not found or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


def _said_s(text: str) -> float | None:
    """Return the seconds of `30 seconds` and `00:00:34`, where nothing else is said."""
    lower = text.lower()
    if clock := _CLOCK.fullmatch(lower):
        return leading_span_s(clock[0])
    if len(lower.split()) == 2 and _SAID_PART.fullmatch(lower):
        return leading_span_s(lower)
    return None
