"""What a request that came back says of the provider, whether it was answered or failed.

What follows from it for the account is decided in `feedback.py`. Numbers that a provider sends are
cut here to what can be true, so that no reply can upset the arithmetic of limits.
"""

import math
from dataclasses import dataclass, replace
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
from capscan.model import ObservedLimit, ObservedLimits, Usage
from capscan.model.completion import NO_USAGE

TOKENS_MAX = 10**9
"""No request takes more tokens, and no account has more of them a minute."""
WAIT_S_MAX = 86_400.0
"""The longest wait that a provider is granted: a day."""


class Signal(Enum):
    """What a request that came back says of the provider."""

    ANSWERED = auto()
    """It did its work. The answer may still be of no use."""
    DECLINED = auto()
    """It is there and turned the request down, without work that would say how much it can take."""
    REFUSED = auto()
    """It said 429: one of the account's limits is used up."""
    CROWDED = auto()
    """It said 429: too many requests are under way at once."""
    OVERLOADED = auto()
    """It said that this is too much at once (503, 529)."""
    LATE = auto()
    """It did not answer in time."""
    UNREACHED = auto()
    """Nothing was sent: there was no connection."""
    GONE = auto()
    """Nobody is there behind a gateway, or the connection broke (502, 504, 521)."""
    FAILED = auto()
    """It broke over the request (500)."""
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
    InferenceTimeout: Signal.LATE,
    ProviderUnreachable: Signal.UNREACHED,
    ProviderUnavailable: Signal.GONE,
    ProviderFailed: Signal.FAILED,
    ContextTooLong: Signal.DECLINED,
    RequestRejected: Signal.DECLINED,
}
"""The signal of each kind of error; the first kind that fits counts. All others are ANSWERED: the
provider was there and did its work, and the answer was of no use (InvalidAnswer)."""

ABSENCES = frozenset({Signal.UNREACHED, Signal.OVERLOADED, Signal.LATE, Signal.GONE})
"""The signals that say, several times in a row, that nobody is there."""
FAILURES = ABSENCES | {Signal.FAILED}
"""The signals of a provider that cannot answer now, whatever it is asked."""
TROUBLES = FAILURES | {Signal.REFUSED, Signal.CROWDED}
"""The signals of a provider that does not do what it is there for."""


def of_failure(error: InferenceError, broke_at_s: float = math.inf) -> Sample:
    """Return what an error says; `broke_at_s` is that of Sample."""
    kinds = (signal for kind, signal in _SIGNALS.items() if isinstance(error, kind))
    signal = next(kinds, Signal.ANSWERED)
    if isinstance(error, RateLimited) and error.of_concurrency:
        signal = Signal.CROWDED
    return Sample(signal, error.usage or NO_USAGE, error.observed, error.retry_after_s, broke_at_s)


def plausible(sample: Sample) -> Sample:
    """Return the sample with every number cut to what can be true."""
    usage, observed, wait_s = sample.usage, sample.observed, sample.retry_after_s
    return replace(
        sample,
        usage=Usage(
            _count(usage.requests),
            _count(usage.input_tokens),
            _count(usage.cached_input_tokens),
            _count(usage.output_tokens),
        ),
        observed=observed
        and ObservedLimits(
            _limit(observed.requests), _limit(observed.input_tokens), _limit(observed.output_tokens)
        ),
        retry_after_s=None if wait_s is None else _wait(wait_s),
    )


def _limit(told: ObservedLimit | None) -> ObservedLimit | None:
    if told is None:
        return None
    limit, remaining, reset_s = told.limit, told.remaining, told.reset_s
    return ObservedLimit(
        None if limit is None else _count(limit),
        None if remaining is None else _count(remaining),
        min(reset_s, WAIT_S_MAX) if reset_s is not None and reset_s >= 0 else None,
    )


def _wait(told_s: float) -> float | None:
    return min(told_s, WAIT_S_MAX) if 0 < told_s < math.inf else None


def _count(told: int) -> int:
    return max(0, min(told, TOKENS_MAX))
