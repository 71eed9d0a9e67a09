"""Finds the wait that a body asks for, which many servers put there instead of into a header.

Known are Google's RetryInfo, fields such as `retry_after`, headers of another server that a gateway
hands on, and words. How a wait is spelled is in `core/limits/waits.py`.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from capscan.core.limits.ratelimit_headers import retry_after_s
from capscan.core.limits.waits import bounded_s, leading_span_s, moment, number, until_s, wait_s
from capscan.inference.api.account_words import is_of_a_day
from capscan.inference.api.said import Said

PROBE_S_MAX = 3_600.0
"""A wait that a body asks for is at most so long: these waits are often wrong, and a limit for a
day may be raised meanwhile."""

_FIELDS = (
    "retryDelay", "retry_after", "retryAfter", "retry_after_seconds", "retry_after_s",
    "retryAfterSeconds", "reset",
    "estimated_time", "reset_after", "reset_at", "resetAt", "resets_at", "reset_time",
)  # fmt: skip
_FIELDS_MS = ("retry_after_ms", "retryAfterMs")
_MENTIONS_MAX = 8
_MENTION = re.compile(
    r"\b(?:retry|retrying|try again|try it again|wait|replenished|resets?|available|unblocked)\b"
    r"(?:[- ]after| again| your request| the request| this request| until| will be| shortly| for"
    r"| about"
    r"| at least| approximately| in| at| on|:){0,4} ?~?(?=\d)",
    re.IGNORECASE,
)
_BARE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(?=$|[\s,;)\]}\"']|\.(?:\s|$))")
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T| at | )(\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|UTC|[+-]\d\d:?\d\d)?"
)
_UNTIL = re.compile(r"regain access|reset|until|available|again|重置|恢复", re.IGNORECASE)


def asked_in_body_s(said: Said, now: datetime) -> float | None:
    """Return the seconds that a body asks to wait, at most PROBE_S_MAX; None where it does not.

    A limit for a whole day that says nothing better is tried again after PROBE_S_MAX, and so is one
    of Google's, whose delays are those of a limit for a minute.
    """
    found = (*_in_fields(said, now), *_in_words(said.words, now))
    waits = [seconds for seconds in found if seconds > 0]  # a moment that is over is no wait
    google_day = any(is_of_a_day(str(item)[:500]) for item in _violations(said))
    if google_day or (not waits and is_of_a_day(said.words)):
        return PROBE_S_MAX
    return min(max(waits), PROBE_S_MAX) if waits else None


def _in_fields(said: Said, now: datetime) -> Iterator[float]:
    for part in said.parts:
        for name in _FIELDS:
            if (seconds := wait_s(_spelled(part.get(name)), now)) is not None:
                yield seconds
        for name in _FIELDS_MS:
            milliseconds = number(_spelled(part.get(name)))
            if milliseconds is not None and (seconds := bounded_s(milliseconds / 1000)) is not None:
                yield seconds
        if isinstance(headers := part.get("headers"), Mapping):
            spelled = {str(key): _spelled(value) for key, value in headers.items()}
            if (seconds := retry_after_s(spelled, now)) is not None:
                yield seconds


def _in_words(words: str, now: datetime) -> Iterator[float]:
    for index, mention in enumerate(_MENTION.finditer(words)):
        if index >= _MENTIONS_MAX:
            break
        rest = words[mention.end() : mention.end() + 64]
        seconds = None if _DATE.match(rest) else leading_span_s(rest)
        if seconds is None and not _DATE.match(rest) and (bare := _BARE.match(rest)):
            seconds = float(bare[1])
        if seconds is not None and (bounded := bounded_s(seconds)) is not None:
            yield bounded
    for index, date in enumerate(_DATE.finditer(words)):
        around = words[max(0, date.start() - 60) : date.end() + 20]
        if index >= _MENTIONS_MAX or not _UNTIL.search(around):
            continue
        zone = (date[3] or "UTC").replace("UTC", "+00:00").replace("Z", "+00:00")
        at = moment(f"{date[1]}T{date[2]}{zone}")
        if at is not None and (seconds := until_s(at, now)) is not None:
            yield seconds


def _violations(said: Said) -> Iterator[Any]:
    for part in said.parts:
        if isinstance(items := part.get("violations"), list):
            yield from items[:_MENTIONS_MAX]


def _spelled(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15:
        return f"{value:.3f}" if isinstance(value, float) else str(value)
    return ""
