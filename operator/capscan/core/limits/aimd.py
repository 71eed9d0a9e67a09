"""How many requests at once a provider is trusted with: additive increase, multiplicative decrease.

Overload is the only signal. Latency is none, since it follows the length of answers. Slow start and
congestion avoidance come from TCP (RFC 5681); that the limit grows only while it is used comes from
Netflix's concurrency-limits.
"""

import math
from dataclasses import dataclass, replace

from capscan.core.pace import RAMP

START = 16
"""Requests at once before anything was learnt."""
PERMITS_MAX = 1024
DECREASE = 0.85
"""What the limit is multiplied by when it was too high."""
WINDOW = 20
"""The number of newest requests among which overloads are counted."""
OVERLOADS = 3
"""The least number of overloads that lowers the limit; fewer are chance."""
PROBE_PAUSE_S = 2.0
"""The pause before the limit reaches its ceiling again; it doubles each time that was too much."""
PROBE_PAUSE_S_MAX = 60.0

_WINDOW_MASK = (1 << WINDOW) - 1


@dataclass(frozen=True, slots=True)
class Permits:
    """How many requests may be under way at once: the whole part of `limit`."""

    limit: float = START
    limit_max: int = PERMITS_MAX
    adaptive: bool = True
    threshold: float = math.inf
    """Below it the limit doubles every round trip, above it the limit grows by one."""
    ceiling: float = math.inf
    """So many at once were too many; with fewer all went well."""
    probe_at_s: float = 0.0
    """The limit does not reach the ceiling again before then."""
    probe_pause_s: float = PROBE_PAUSE_S
    """The pause after the next time that the ceiling is too much."""
    recent: int = 0
    """One bit a request, the newest lowest; set for an overload."""
    changed_at_s: float = -math.inf
    """Requests sent before then say nothing of the limit as it is now."""

    @property
    def count(self) -> int:
        """Requests at once."""
        return int(self.limit)

    @property
    def ramping(self) -> bool:
        """Whether the limit is on its way back to one that it had before."""
        return self.limit < self.threshold < math.inf


def configure(permits: Permits, limit_max: int | None, *, adaptive: bool) -> Permits:
    """Take over what an administrator set."""
    most = limit_max if limit_max is not None else PERMITS_MAX if adaptive else START
    limit = min(permits.limit, most) if adaptive else most
    return replace(permits, limit=limit, limit_max=most, adaptive=adaptive)


def on_success(permits: Permits, in_flight: int, sent_at_s: float, now_s: float) -> Permits:
    """Raise the limit after an answer, if it is used; `in_flight` counts the request itself."""
    recent = permits.recent << 1 & _WINDOW_MASK
    permits = replace(permits, recent=recent)
    if in_flight * 2 < permits.limit:
        return permits
    if permits.limit >= permits.ceiling and sent_at_s >= permits.changed_at_s:
        # The ceiling is not too much any more, or it never was: it has to be found anew.
        permits = replace(
            permits, ceiling=math.inf, threshold=math.inf, probe_pause_s=PROBE_PAUSE_S
        )
    limit = min(permits.limit + _step(permits), permits.limit_max)
    if permits.limit < permits.ceiling <= limit:
        if now_s < permits.probe_at_s:
            return replace(permits, limit=math.nextafter(permits.ceiling, 0.0))
        return replace(permits, limit=permits.ceiling, changed_at_s=now_s)
    return replace(permits, limit=limit)


def on_overload(permits: Permits, in_flight: int, sent_at_s: float, now_s: float) -> Permits:
    """Lower the limit if overloads are no chance; `in_flight` counts the request itself.

    An overload is a refusal as too much at once, or an answer that did not come in time.
    """
    permits = replace(permits, recent=(permits.recent << 1 | 1) & _WINDOW_MASK)
    if not permits.adaptive or sent_at_s < permits.changed_at_s:
        return permits
    if permits.limit >= permits.ceiling:
        return _below(permits, permits.ceiling, permits.ceiling - 1, now_s)
    if permits.recent.bit_count() < OVERLOADS:
        return permits
    ceiling = max(2.0, min(math.floor(permits.limit), in_flight))
    return _below(permits, ceiling, permits.limit * DECREASE, now_s)


def on_crowd(permits: Permits, in_flight: int, sent_at_s: float, now_s: float) -> Permits:
    """Lower the limit to what is under way beside a request that was refused as one too many at
    once; `in_flight` counts the request itself.
    """
    fewer = max(1.0, in_flight - 1.0)
    if not permits.adaptive or permits.limit < fewer + 1.0:
        return permits
    if sent_at_s < permits.changed_at_s:
        # It is one of a volley, each of which tells a little more.
        return replace(permits, limit=fewer, threshold=fewer, ceiling=fewer + 1.0)
    return _below(permits, fewer + 1.0, fewer, now_s)


def restarted(good: Permits) -> Permits:
    """Return permits for one request at a time, which grow quickly back to `good` with answers."""
    return replace(good, limit=1.0, threshold=good.limit, recent=0)


def _step(permits: Permits) -> float:
    if permits.ramping:
        return RAMP
    return 1.0 if permits.limit < permits.threshold else 1.0 / permits.limit


def _below(permits: Permits, ceiling: float, limit: float, now_s: float) -> Permits:
    limit = max(1.0, limit)
    return replace(
        permits,
        limit=limit,
        threshold=limit,
        ceiling=ceiling,
        probe_at_s=now_s + permits.probe_pause_s,
        probe_pause_s=min(2 * permits.probe_pause_s, PROBE_PAUSE_S_MAX),
        recent=0,
        changed_at_s=now_s,
    )
