"""What a request that came back says of the provider, answered or failed."""

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
    DECLINED = auto()
    """It is there and answers, but did no work that would say how much it can take."""
    REFUSED = auto()
    OVERLOADED = auto()
    UNREACHED = auto()
    """Nothing was sent: there was no connection."""
    FAILED = auto()
    ABANDONED = auto()
    """Nobody waited for the answer."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How one request ended."""

    signal: Signal
    usage: Usage = NO_USAGE
    observed: ObservedLimits | None = None
    retry_after_s: float | None = None
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
"""What a provider that was there and did its work raises (InvalidAnswer) is an answer."""

TROUBLES = frozenset({Signal.UNREACHED, Signal.FAILED, Signal.OVERLOADED, Signal.REFUSED})
"""Those in which a provider does not do what it is there for."""


def of_failure(error: InferenceError, broke_at_s: float = math.inf) -> Sample:
    """What an error says; `broke_at_s` as in Sample."""
    kinds = (signal for kind, signal in _SIGNALS.items() if isinstance(error, kind))
    return Sample(
        next(kinds, Signal.ANSWERED),
        error.usage or NO_USAGE,
        error.observed,
        error.retry_after_s,
        broke_at_s,
    )
