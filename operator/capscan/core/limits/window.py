"""Whether a limit is refilled all at once, at the end of a window, and when that is.

Whatever rate and size a token bucket has, it takes the longer to be full the more is used of it. A
window's end comes nearer meanwhile: one response that tells of more used and of less time than
another one shows that there is no bucket. What follows from it for an account is `quota.py`'s.
"""

import math
from dataclasses import dataclass, replace

from capscan.core.limits.bucket import WINDOW_S
from capscan.model import ObservedLimit

SHOWN_S = 3.0
"""Seconds of the rate that have to be used up in the meantime."""
USED_MIN = 2.0
"""`remaining` is rounded."""
RESET_TOLERANCE_S = 1.0
"""Resets are told as coarsely as that."""


@dataclass(frozen=True, slots=True)
class Window:
    """What responses said, and whether it showed a window."""

    limit: int = 0
    used: int = 0
    reset_s: float = -math.inf
    """The longest that was told, and what was used then."""
    ends_at_s: float | None = None
    """None: it may be a bucket. The past: its successor begins with the next request."""


def seen(window: Window, told: ObservedLimit, now_s: float) -> Window:
    """After a response that tells of no window before this one."""
    if told.limit is None or told.remaining is None or told.reset_s is None:
        return window
    used, ends_at_s = told.limit - told.remaining, now_s + told.reset_s
    if window.ends_at_s is not None and told.limit == window.limit:
        # It was told before it came: the least late of a window's responses is the closest.
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
    """Whether the response to a request sent at `sent_at_s` tells of a window before this one."""
    if window.ends_at_s is None or told.reset_s is None or now_s < window.ends_at_s:
        return False
    return sent_at_s + told.reset_s <= window.ends_at_s + RESET_TOLERANCE_S
