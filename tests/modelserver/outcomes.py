"""What a fault makes of an answer: a refusal, or something else to say.

The faults of the connection are `transport.py`'s.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.modelserver.answers import WRONG, rendered, right
from tests.modelserver.faults import Fault
from tests.modelserver.protocol import Ask, Dialect, Reply, Said, cut, tokens

REFUSALS = {"status", "redirect", "too_long", "no_quota"}
"""Kinds of faults that refuse at once."""


def refusal(fault: Fault, dialect: Dialect, wall: datetime, ask: Ask | None = None) -> Reply:
    """Return what a fault of REFUSALS answers at once."""
    if fault.kind == "redirect":
        return Reply(302, {}, {"location": fault.location})
    if fault.kind == "no_quota":
        return dialect.no_quota()
    if fault.kind == "too_long":
        asked = ask.input_tokens if ask else 0
        return dialect.too_long(asked, asked - 1)
    reply = replace(dialect.error(fault.status), text=fault.text)
    if fault.retry_after:
        reply.headers["retry-after"] = _retry_after(fault.retry_after, wall)
    return reply


def _retry_after(value: str, wall: datetime) -> str:
    if not value.startswith("date+"):
        return value
    moment = wall.astimezone(UTC) + timedelta(seconds=float(value.removeprefix("date+")))
    return format_datetime(moment, usegmt=True)


def said(ask: Ask, fault: Fault | None) -> Said:
    """Return what the model says by the fault, and no more than it may."""
    answer = right(ask.name, ask.kind)
    match fault.kind if fault else "":
        case "refusal":
            return Said("I cannot help with that.", "refusal")
        case "content_filter":
            return Said("", "filter")
        case "max_tokens":
            return Said(WRONG["truncated"](answer), "length")
        case "wrong" if fault:
            text = WRONG[fault.wrong](answer)
        case _:
            text = rendered(answer)
    if ask.max_tokens is not None and tokens(text) > ask.max_tokens:
        return Said(cut(text, ask.max_tokens), "length")
    return Said(text)
