"""What the statuses mean that mean one thing, whatever the words are."""

from collections.abc import Mapping

from capscan.core.errors import (
    AnswerRefused,
    ContextTooLong,
    InferenceError,
    InferenceTimeout,
    ProviderOverloaded,
    ProviderUnavailable,
    RequestRejected,
)

AWAY = frozenset(
    {409, 421, 423, 424, 425, 449, 460, 499, 502, 504, 507, 508, 509, 540, 561, 598, 599}
    | (set(range(520, 531)) - {529})
)
"""Statuses with which gateways say that what is behind them is not there, or that something came
between: asked again, the same request may be answered."""
STATUSES: Mapping[int, type[InferenceError]] = {
    408: InferenceTimeout,
    413: ContextTooLong,
    446: AnswerRefused,  # Portkey: a guardrail
    498: ProviderOverloaded,  # Groq: flex capacity
    501: RequestRejected,
    503: ProviderOverloaded,
    505: RequestRejected,
    529: ProviderOverloaded,  # Anthropic: overloaded_error
} | dict.fromkeys(AWAY, ProviderUnavailable)
