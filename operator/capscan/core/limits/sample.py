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


class Outcome(Enum):
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

    outcome: Outcome
    usage: Usage = NO_USAGE
    observed: ObservedLimits | None = None
    retry_after_s: float | None = None
    broke_at_s: float = math.inf
    """When the same question FAILED for the first time; infinite where this is the first time."""


_OUTCOMES: dict[type[InferenceError], Outcome] = {
    RateLimited: Outcome.REFUSED,
    ProviderOverloaded: Outcome.OVERLOADED,
    ItemTimeout: Outcome.ABANDONED,
    InferenceTimeout: Outcome.OVERLOADED,
    ProviderUnreachable: Outcome.UNREACHED,
    ProviderUnavailable: Outcome.FAILED,
    ProviderFailed: Outcome.FAILED,
    ContextTooLong: Outcome.DECLINED,
    RequestRejected: Outcome.DECLINED,
}
"""What a provider that was there and did its work raises (InvalidAnswer) is an answer."""

TROUBLES = frozenset({Outcome.UNREACHED, Outcome.FAILED, Outcome.OVERLOADED, Outcome.REFUSED})
"""Those in which a provider does not do what it is there for."""


def of_failure(error: InferenceError, broke_at_s: float = math.inf) -> Sample:
    """What an error says; `broke_at_s` as in Sample."""
    kinds = (outcome for kind, outcome in _OUTCOMES.items() if isinstance(error, kind))
    return Sample(
        next(kinds, Outcome.ANSWERED),
        error.usage or NO_USAGE,
        error.observed,
        error.retry_after_s,
        broke_at_s,
    )
