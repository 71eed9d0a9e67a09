"""What a response's headers say about an account's limits, and how long to wait.

OpenAI and those compatible to it: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, resets
as Go durations. Anthropic: `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-*`,
resets as RFC 3339 times. Gateways: `x-ratelimit-reset`, `ratelimit-reset`, `ratelimit`. A header
that cannot be read counts as absent; nothing is raised. How a wait is spelled is in `waits.py`.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from capscan.core.limits.waits import bounded_s, number, wait_s
from capscan.model import ObservedLimit, ObservedLimits

AMOUNT_MAX = 10**12

_OPENAI = "x-ratelimit-{part}-{what}"
_ANTHROPIC = "anthropic-ratelimit-{what}-{part}"
_IN_MS = ("retry-after-ms", "x-ms-retry-after-ms", "x-retry-after-ms")
_WAITS = (
    "retry-after",
    "x-retry-after",
    "x-ratelimit-retry-after",
    "x-ratelimit-reset-after",
    "llm_provider-retry-after",
)
_RESETS = (
    ("x-ratelimit-reset", "x-ratelimit-remaining"),
    ("x-rate-limit-reset", "x-rate-limit-remaining"),
    ("ratelimit-reset", "ratelimit-remaining"),
    ("reset_at", "x-ratelimit-remaining"),
)
"""Headers of gateways that say when a limit is full again, and beside each the one that says what
is left of it."""
_DRAFT = "ratelimit"
"""Of the IETF's drafts: `"default";r=0;t=30`, and before `limit=100, remaining=0, reset=30`."""
_DRAFT_LEFT = re.compile(r"\b(?:r|remaining) ?= ?(\d{1,15})", re.ASCII)
_DRAFT_RESET = re.compile(r"\b(?:t|reset) ?= ?(\d{1,15})", re.ASCII)
_DRAFT_CHARS_MAX = 256


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
    """Return the seconds to wait, at most a day; None where the headers do not say.

    It is read from `retry-after-ms`, from `retry-after` in any spelling (RFC 9110 knows seconds and
    dates), and else from when a limit is full again of which nothing is left.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    for name in _IN_MS:
        if (milliseconds := number(lower.get(name, ""))) is not None:
            return bounded_s(milliseconds / 1000)
    for name in _WAITS:
        if (asked_s := wait_s(lower.get(name, ""), now)) is not None:
            return asked_s
    return _full_again_s(lower, now)


def _full_again_s(headers: Mapping[str, str], now: datetime) -> float | None:
    for reset, left in _RESETS:
        if not number(headers.get(left, "")):  # nothing is left, or nothing is said of it
            seconds = wait_s(headers.get(reset, ""), now)
            if seconds is not None:
                return seconds
    draft = headers.get(_DRAFT, "")[:_DRAFT_CHARS_MAX]
    left_now, full = _DRAFT_LEFT.search(draft), _DRAFT_RESET.search(draft)
    return wait_s(full[1], now) if full and left_now and int(left_now[1]) == 0 else None


def _limit(headers: Mapping[str, str], form: str, what: str, now: datetime) -> ObservedLimit | None:
    limit = _amount(headers.get(form.format(part="limit", what=what), ""))
    remaining = _amount(headers.get(form.format(part="remaining", what=what), ""))
    if limit is None and remaining is None:
        return None
    reset = headers.get(form.format(part="reset", what=what), "")
    return ObservedLimit(limit, remaining, wait_s(reset, now))


def _amount(text: str) -> int | None:
    """Return a count; None where it is none. Azure says -1 for no limit."""
    amount = number(text)
    return None if amount is None or amount > AMOUNT_MAX else int(amount)
