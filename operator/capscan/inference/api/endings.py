"""How an answer ended, by the reason that a provider gives: whole, cut off, refused or broken off.

Both protocols have few reasons of their own. Gateways hand on those of the provider behind them, in
any spelling.
"""

import re
from collections.abc import Mapping
from enum import Enum, auto

from capscan.core.errors import (
    AnswerRefused,
    InferenceError,
    InvalidAnswer,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnavailable,
)
from capscan.model import Usage

_BETWEEN_WORDS = re.compile(r"[^a-z0-9]++")
_REASON_CHARS_MAX = 80


class Ending(Enum):
    """How an answer ended that may be read."""

    WHOLE = auto()
    CUT_OFF = auto()
    """It ran into its limit of tokens."""
    UNKNOWN = auto()
    """Nobody knows here what the reason means."""


class BrokenOff(InferenceError):
    """The provider broke an answer off, and says why in an error of its own."""

    reason = "ProviderFailed"
    retryable = True

    def __init__(self, error: object, *, usage: Usage) -> None:
        super().__init__("the provider broke the answer off", usage=usage)
        self.error = error
        """The error as the provider worded it."""


_WHOLE = frozenset({
    "", "stop", "stop_sequence", "end_turn", "end", "eos", "eos_token", "complete", "completed",
    "finished", "done", "tool_use", "tool_calls", "tool_call", "function_call", "null", "none",
    "finish_reason_unspecified",
})  # fmt: skip
_CUT_OFF = frozenset({
    "length", "max_tokens", "max_output_tokens", "model_length", "length_limit", "max_length",
    "context_length_exceeded", "model_context_window_exceeded", "token_limit", "max_tokens_reached",
})  # fmt: skip
_REFUSED = frozenset({
    "refusal", "safety", "prohibited_content", "blocklist", "spii", "image_safety", "sensitive",
    "content_filtered", "guardrail_intervened", "guardrails", "moderation", "blocked",
})  # fmt: skip
_BROKEN: Mapping[str, type[InferenceError]] = {
    "error": ProviderFailed,
    "error_finish": ProviderFailed,
    "failed": ProviderFailed,
    "unknown_error": ProviderFailed,
    "network_error": ProviderUnavailable,
    "insufficient_system_resource": ProviderOverloaded,
    "overloaded": ProviderOverloaded,
    "load": ProviderOverloaded,
    "unload": ProviderOverloaded,
    "abort": ProviderFailed,
    "aborted": ProviderFailed,
    "cancelled": ProviderFailed,
    "canceled": ProviderFailed,
    "timeout": ProviderFailed,
    "pause_turn": InvalidAnswer,
    "compaction": InvalidAnswer,
    "malformed_function_call": InvalidAnswer,
    "unexpected_tool_call": InvalidAnswer,
    "recitation": InvalidAnswer,
    "repetition": InvalidAnswer,
    "repetition_detected": InvalidAnswer,
    "repeat": InvalidAnswer,
}
"""What has passed when the same question is asked anew. There is nothing in it to correct."""


_UNFINISHED = re.compile(r"could not finish the message because max_tokens", re.IGNORECASE)


def is_unfinished(refusal: str) -> bool:
    """Return whether a refusal is an answer that was cut off: OpenAI says so of a model that used
    up its room with thinking.
    """
    return bool(_UNFINISHED.search(refusal))


def ending(reason: object, usage: Usage) -> Ending:
    """Return how an answer ended. Raises AnswerRefused, and the error of an answer that was broken
    off.
    """
    said = reason[:_REASON_CHARS_MAX] if isinstance(reason, str) else ""
    word = _BETWEEN_WORDS.sub("_", said.lower()).strip("_")
    if word in _WHOLE:
        return Ending.WHOLE
    if word in _CUT_OFF:
        return Ending.CUT_OFF
    if broken := _BROKEN.get(word) or _BROKEN.get(word.removeprefix("content_filter_")):
        raise broken(f"the provider broke the answer off ({word})", usage=usage)
    if "malformed_function_call" in word:
        raise InvalidAnswer(f"the provider broke the answer off ({word})", usage=usage)
    if word in _REFUSED or word.startswith("content_filter"):
        raise AnswerRefused("the provider's content filter stopped the answer", usage=usage)
    return Ending.UNKNOWN
