"""Finds in the words of a refusal how much room a server leaves: for the answer, for the question.

The room for the answer is what a request asks for as its limit of tokens. What follows from a
refused room is decided in `asking.py`.
"""

import re
from dataclasses import dataclass

AFFORDABLE_TOKENS_MIN = 256
"""An account that cannot pay for so many tokens has nothing left to spend: no answer is shorter."""
PROMPT_TOKENS_MIN = 1_000
"""No question is shorter, however much of it is cut."""

# Of nine digits at most, and not the beginning of a longer number.
_N = r"(\d{1,9})(?!\d|[.,]\d)"
_LIMIT = re.compile(
    r"\bmax_?(?:completion_?|output_?|new_?)?tokens\b|\bmaxoutputtokens\b|\bmaximum tokens\b"
    r"|\bmax tokens\b|\bcompletion tokens\b|\boutput tokens\b",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(
    r"too (?:large|big|high|many)|at most|exceeds?\b|less than or equal|lower than|smaller than"
    r"|<=|\brange\b|\bmaximum allowed\b|\bgreater than the maximum\b|> \d|\[\d",
    re.IGNORECASE,
)
_BOUNDS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bat most {_N}",
        rf"less than or equal to {_N}",
        rf"<= ?{_N}",
        rf"\[ ?\d{{1,9}} ?, ?{_N} ?\]",
        rf"from \d{{1,9}} \(inclusive\) to {_N} \(inclusive\)",
        rf"range (?:is |of )?(?:from )?\d{{1,9}} to {_N}(?! \(exclusive\))",
        rf"\d > {_N}",
        rf"\blimit of {_N}",
        rf"maximum (?:allowed |output |value )?(?:is |of |for [\w -]{{1,40}} is )?{_N}",
        rf"\bonly {_N} tokens? (?:left|remain)",
        rf"\b{_N} tokens? (?:are )?(?:left|remaining)\b",
    )
)
_BELOW = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"to {_N} \(exclusive\)",
        rf"(?:lower|smaller|less) than {_N}",
    )
)
_LEFT = re.compile(
    rf"\bonly {_N} tokens? (?:left|remain)|\b{_N} tokens? (?:are )?(?:left|remaining)\b",
    re.IGNORECASE,
)
_AFFORD = re.compile(rf"can only afford {_N}", re.IGNORECASE)
_PROMPT_LIMIT = re.compile(rf"prompt tokens limit exceeded: \d{{1,9}} > {_N}", re.IGNORECASE)
_CONTEXT = re.compile(
    rf"(?:maximum context length|context window|context length|context size|max_model_len)"
    rf"[\w '`]{{0,60}}?[(:= ]{_N}",
    re.IGNORECASE,
)
_ASKED_IN = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_N} (?:input|prompt) tokens",
        rf"\(?{_N} in (?:the )?(?:messages|prompt|input)",
        rf"\b{_N} tokens? from the input messages",
        rf"\b{_N} `?inputs`? tokens",
        rf"prompt contains (?:at least )?{_N}",
    )
)
_ROOM_ASKED = re.compile(
    r"in (?:the|your) completion|for the completion|max_?(?:completion_?|new_?)?tokens"
    r"|output tokens",
    re.IGNORECASE,
)
_SUM = re.compile(r"context limit: (\d{1,9}) \+ \d{1,9} > (\d{1,9})", re.IGNORECASE)
"""Anthropic's: what was asked, the room for the answer, and what both may have."""
_TGI = re.compile(rf"max_new_tokens`? must be <= {_N}", re.IGNORECASE)
_MORE = re.compile(
    r"must be (?:greater|larger|higher) than|at least|minimum|below|higher max_tokens"
    r"|not supported|unsupported|unrecognized|unknown|extra inputs|extra_forbidden"
    r"|could not finish",
    re.IGNORECASE,
)
"""Words about the limit of tokens that ask for more of it, or for another name."""


@dataclass(frozen=True, slots=True)
class Room:
    """The room that a server leaves for an answer."""

    tokens_max: int | None
    """None where it does not say how much it is."""


def affordable(words: str) -> int | None:
    """Return the tokens that an account can still pay for; None where nothing is said of it."""
    found = _AFFORD.search(words)
    return int(found[1]) if found else None


def prompt_limit(words: str) -> int | None:
    """Return the tokens that an account may still ask with; None where nothing is said of it."""
    found = _PROMPT_LIMIT.search(words)
    return int(found[1]) if found else None


def room_in(words: str) -> Room | None:
    """Return the room that is left where a refusal is about the room that was asked for; None for
    a refusal about anything else, such as a question that is too long by itself.
    """
    if (context := _of_context(words)) is not None:
        return context if context.tokens_max is None or context.tokens_max > 0 else None
    if left := _LEFT.search(words):
        return Room(int(left[1] or left[2]))
    if not _LIMIT.search(words) or not _TOO_LARGE.search(words) or _MORE.search(words):
        return None
    return Room(_bound(words))


def _of_context(words: str) -> Room | None:
    """Return what a context leaves for the answer, where the size of the question is told too."""
    if both := _SUM.search(words):
        return Room(int(both[2]) - int(both[1]))
    whole = _TGI.search(words) or _CONTEXT.search(words)
    asked = next((found for each in _ASKED_IN if (found := each.search(words))), None)
    if not whole or not asked or not _ROOM_ASKED.search(words):
        return None
    return Room(int(whole[1]) - int(asked[1]))


def _bound(words: str) -> int | None:
    for each in _BELOW:
        if found := each.search(words):
            return int(found[1]) - 1
    found = next((match for each in _BOUNDS if (match := each.search(words))), None)
    return int(found[1]) if found else None
