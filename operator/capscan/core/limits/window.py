"""Whether a limit is refilled all at once, at the end of a window, and when that is.

A token bucket, whatever its rate and size, takes the longer to be full the more of it is used. The
end of a window comes nearer meanwhile. So a response that tells of more used and of less time left
than an earlier one shows a window. What follows for the account is decided in `quota.py`.
"""

import math
from dataclasses import dataclass, replace

from capscan.core.limits.bucket import WINDOW_S
from capscan.model import ObservedLimit

SHOWN_S = 3.0
"""Seconds of the rate that have to be used up between two such responses."""
USED_MIN = 2.0
"""The least amount that has to be used up between them, since `remaining` is rounded."""
RESET_TOLERANCE_S = 1.0
"""How coarsely the time of a reset is told."""


@dataclass(frozen=True, slots=True)
class Window:
    """What responses said, and whether that showed a window."""

    limit: int = 0
    used: int = 0
    """What was used when `reset_s` was told."""
    reset_s: float = -math.inf
    """The longest time until the reset that was told for this limit."""
    ends_at_s: float | None = None
    """None: it may be a bucket. An instant in the past: the next window begins with the next
    request."""


def seen(window: Window, told: ObservedLimit, now_s: float) -> Window:
    """Return what is known after a response that does not tell of an earlier window."""
    if told.limit is None or told.remaining is None or told.reset_s is None:
        return window
    used, ends_at_s = told.limit - told.remaining, now_s + told.reset_s
    if window.ends_at_s is not None and told.limit == window.limit:
        # A response takes time to come, so that the earliest end that a window's responses tell of
        # is the closest to the truth.
        current = window.ends_at_s > now_s
        ends_at_s = min(ends_at_s, window.ends_at_s) if current else ends_at_s
        return replace(window, ends_at_s=ends_at_s)
    if told.limit != window.limit or told.reset_s > window.reset_s:
        return Window(told.limit, used, told.reset_s)
    more = max(USED_MIN, SHOWN_S * told.limit / WINDOW_S)
    if used >= window.used + more and told.reset_s <= window.reset_s - 2 * RESET_TOLERANCE_S:
        return replace(window, ends_at_s=ends_at_s)
    return window


def is_over(window: Window, told: ObservedLimit, sent_at_s: float, now_s: float) -> bool:
    """Return whether the response to a request sent at `sent_at_s` tells of an earlier window."""
    if window.ends_at_s is None or told.reset_s is None or now_s < window.ends_at_s:
        return False
    return sent_at_s + told.reset_s <= window.ends_at_s + RESET_TOLERANCE_S
