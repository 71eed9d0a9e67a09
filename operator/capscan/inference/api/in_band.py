"""Finds the error in a response that says 200: gateways send such when a provider fails them.

What an error is then called is decided in `refusal.py`, by the status that it would have had.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from capscan.inference.api.account_words import is_about_money, is_limit, is_money, refuses_the_key
from capscan.inference.api.said import Said, said_in

_FINISHED = frozenset({"stop", "end_turn", "tool_use", "tool_calls", "function_call", "eos"})
_ANSWERS = ("choices", "content", "output")
"""Fields of which one is in every answer."""
_FLAGS = ("error_code", "error_msg", "errors", "detail", "fault")
_STATUS_FIELDS = ("code", "status", "status_code", "statusCode", "http_status", "error_code")
_NAMED: Mapping[str, int] = {
    "invalid_request_error": 400, "authentication_error": 401, "invalid_api_key": 401,
    "unauthorized": 401, "billing_error": 402, "permission_error": 403, "not_found_error": 404,
    "request_too_large": 413, "rate_limit_error": 429, "rate_limit_exceeded": 429,
    "rate_limited": 429, "resource_exhausted": 429, "insufficient_quota": 429,
    "too_many_requests": 429, "bad_gateway": 502, "upstream_error": 502, "unavailable": 503,
    "server_overload": 503, "overloaded": 529, "overloaded_error": 529, "timeout_error": 504,
    # MiniMax: requests a minute, tokens a minute, the key.
    "1002": 429, "1039": 429, "1004": 401,
}  # fmt: skip
_PHRASES = {status.phrase.lower(): status.value for status in HTTPStatus if status >= 400}


def error_in(value: object) -> tuple[int, Said] | None:
    """Return the error in the body of a 200, and the status that it would have; None where the body
    may be an answer.
    """
    if not isinstance(value, Mapping):
        return None
    if value.get("error"):
        failed = not _is_whole(value)
    elif any(value.get(name) for name in _ANSWERS):
        failed = False
    else:
        failed = _is_flagged(value)
    said = said_in(value) if failed else None
    return (status_of(said), said) if said else None


def status_of(said: Said) -> int:
    """Return the status that an error would have: by its number, its name or its words; 500 where
    nothing says more.
    """
    for part in reversed(said.parts):
        for name in _STATUS_FIELDS:
            if (number := _number(part.get(name))) is not None and 400 <= number < 600:
                return number
    for code in said.codes.lower().split():
        if code in _NAMED:
            return _NAMED[code]
    if (status := _PHRASES.get(said.message.strip(" .").lower())) is not None:
        return status
    if refuses_the_key(said.words):
        return 401
    limited = is_limit(said.words) or is_about_money(said.words)
    return 429 if limited or is_money(said.words, said.codes) else 500


def _is_whole(value: Mapping[str, Any]) -> bool:
    """Return whether there is a whole answer beside an error, which is a warning then."""
    choices = value.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(first, Mapping):
        return first.get("finish_reason") in _FINISHED and not first.get("error")
    return bool(value.get("content")) and value.get("stop_reason") in _FINISHED


def _is_flagged(value: Mapping[str, Any]) -> bool:
    """Return whether an object that is no answer says that it is an error."""
    base = value.get("base_resp")
    if isinstance(base, Mapping) and base.get("status_code"):
        return True
    if value.get("success") is False or "error" in (value.get("type"), value.get("object")):
        return True
    told = value.get("msg") or value.get("message")
    if value.get("status") in ("error", "fail", "failed") or (
        isinstance(value.get("message"), str) and "id" not in value
    ):
        return True
    number = _number(value.get("code"))
    return any(value.get(name) for name in _FLAGS) or bool(
        isinstance(told, str) and number is not None and number >= 400
    )


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 4:
        return int(value)
    return value if isinstance(value, int) else None
