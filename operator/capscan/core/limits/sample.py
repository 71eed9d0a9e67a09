"""What a request that came back says of the provider, whether it was answered or failed.

What follows from it for the account is decided in `feedback.py`.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto

from capscan.core.errors import (
    ContextTooLong,
    InferenceError,
    InferenceTimeout,
    ItemTimeout,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnavailable,
    ProviderUnreachable,
    RateLimited,
    RequestRejected,
)
from capscan.model import ObservedLimits, Usage
from capscan.model.completion import NO_USAGE


class Signal(Enum):
    """What a request that came back says of the provider."""

    ANSWERED = auto()
    """It did its work. The answer may still be of no use."""
    DECLINED = auto()
    """It is there and turned the request down, without work that would say how much it can take."""
    REFUSED = auto()
    """It said 429: one of the account's limits is used up."""
    OVERLOADED = auto()
    """It said that this is too much at once (503, 529), or it did not answer in time."""
    UNREACHED = auto()
    """Nothing was sent: there was no connection."""
    FAILED = auto()
    """It broke over the request (500), or the connection to it broke (502, 504)."""
    ABANDONED = auto()
    """Nobody waited for the answer: it says nothing of the provider."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How one request ended."""

    signal: Signal
    usage: Usage = NO_USAGE
    observed: ObservedLimits | None = None
    """What the response said of the account's limits."""
    retry_after_s: float | None = None
    """How long the response asked to wait."""
    broke_at_s: float = math.inf
    """When the same question FAILED for the first time; infinite where this is the first time."""


_SIGNALS: dict[type[InferenceError], Signal] = {
    RateLimited: Signal.REFUSED,
    ProviderOverloaded: Signal.OVERLOADED,
    ItemTimeout: Signal.ABANDONED,
    InferenceTimeout: Signal.OVERLOADED,
    ProviderUnreachable: Signal.UNREACHED,
    ProviderUnavailable: Signal.FAILED,
    ProviderFailed: Signal.FAILED,
    ContextTooLong: Signal.DECLINED,
    RequestRejected: Signal.DECLINED,
}
"""The signal of each kind of error; the first kind that fits counts. All others are ANSWERED: the
provider was there and did its work, and the answer was of no use (InvalidAnswer)."""

TROUBLES = frozenset({Signal.UNREACHED, Signal.FAILED, Signal.OVERLOADED, Signal.REFUSED})
"""The signals of a provider that does not do what it is there for."""


def of_failure(error: InferenceError, broke_at_s: float = math.inf) -> Sample:
    """Return what an error says; `broke_at_s` is that of Sample."""
    kinds = (signal for kind, signal in _SIGNALS.items() if isinstance(error, kind))
    return Sample(
        next(kinds, Signal.ANSWERED),
        error.usage or NO_USAGE,
        error.observed,
        error.retry_after_s,
        broke_at_s,
    )
