"""What to do about one item's error: the only place that says so.

Full jitter over an exponential cap, after "Exponential Backoff And Jitter" (AWS Architecture
Blog): the pause is uniform between nothing and the cap, so that items which failed together do
not come back together.
"""

from capscan.core.errors import InferenceError, ItemError

BACKOFF_BASE_S = 1.0
BACKOFF_CAP_S = 30.0


def retry_delay_s(error: ItemError, attempt: int, max_attempts: int, jitter: float) -> float | None:
    """Seconds to wait before the next attempt, or None to give the item up.

    `attempt` counts from 1; `jitter` is uniform in [0, 1]. A wait that the provider asked for is
    never shortened.
    """
    if not error.retryable or attempt >= max_attempts:
        return None
    delay_s = jitter * min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** (attempt - 1))
    asked_s = error.retry_after_s if isinstance(error, InferenceError) else None
    return max(delay_s, asked_s or 0.0)
