"""Says what to do about one item's error, and how long to wait for what somebody has to mend.

What an error of the provider means for everybody else who asks it is said in
`core/limits/sample.py`.

Full jitter over an exponential cap, after "Exponential Backoff And Jitter" (AWS Architecture
Blog): the pause is uniform between nothing and the cap, so that items which failed together do
not come back together.
"""

from collections.abc import Sequence

from capscan.core.errors import (
    InferenceError,
    ItemError,
    MissingPermission,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnavailable,
    ProviderUnreachable,
    RateLimited,
    StatusRejected,
)

BACKOFF_BASE_S = 1.0
BACKOFF_CAP_S = 30.0
MENDING_RETRY_S = (2.0, 5.0, 10.0, 30.0)
"""Pauses before what somebody has to mend is tried again: a stalled run, a status that was refused.
The last one repeats."""

STATUS_REFUSALS = (MissingPermission, StatusRejected)
"""Errors of a write of a status that are waited out, since nothing goes on without it."""


def worth_retrying(error: ItemError, attempts: int, max_attempts: int) -> bool:
    """Return whether to try again after that many attempts."""
    return error.retryable and attempts < max_attempts


def was_looked_at(error: InferenceError) -> bool:
    """Return whether the provider worked on the request that failed. Where it did not, the time
    that the request took says nothing of how long the next one takes.
    """
    return not isinstance(error, RateLimited | ProviderOverloaded | ProviderUnavailable)


def broke_over_it(error: InferenceError) -> bool:
    """Return whether the question itself may be what the provider broke over, or what took it too
    long for a gateway before it.
    """
    return isinstance(error, ProviderFailed | ProviderUnavailable) and not isinstance(
        error, ProviderUnreachable
    )


def backoff_s(error: ItemError, attempts: int, jitter: float) -> float:
    """Return the seconds to wait before the next attempt. `attempts` were made, 1 or more; `jitter`
    is uniform in [0, 1]. A wait that the provider asked for is never shortened.
    """
    delay_s = jitter * min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** (attempts - 1))
    asked_s = error.retry_after_s if isinstance(error, InferenceError) else None
    return max(delay_s, asked_s or 0.0)


def stepped_s(pauses_s: Sequence[float], times_before: int) -> float:
    """Return the pause after that many before it; the last one repeats."""
    return pauses_s[min(times_before, len(pauses_s) - 1)]
