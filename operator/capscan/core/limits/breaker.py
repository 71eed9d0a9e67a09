"""Whether a provider is asked at all: the circuit breaker.

It opens when most of the newest requests failed, lets one through after a pause, and closes when
that one is answered. Where few ask at a time, their attempts would be used up before that: so it
also opens when nobody was there a few times in a row. How fast requests come back after it closed
is decided in `aimd.py`.
"""

import math
from dataclasses import dataclass, replace

from capscan.model.provider import Circuit, CircuitBreaker

PROBES_PATIENT = 5
"""The number of probes that fail in a row before the pause between them grows."""
PAUSE_S_MAX = 30.0
ABSENCES_MAX = 3
"""The number of absences in a row that opens it: fewer than the attempts that an item has."""
STRANGERS_MAX = 5
"""The same while others are under way: different questions that fail for the first time. Three may
come together by chance where one question in eight breaks the provider."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The circuit of one provider, and what the newest requests said of it."""

    circuit: Circuit = Circuit.CLOSED
    recent: int = 0
    """One bit a request, the newest lowest; set for a failure."""
    counted: int = 0
    """How many of those bits are requests."""
    absences: int = 0
    """How often in a row nobody was there, while nothing else was under way."""
    openings: int = 0
    """How often it opened: tells requests that were sent before from those that were sent after."""
    until_s: float = -math.inf
    """While it is open: the instant at which one request may try."""
    probes_failed: int = 0
    """Probes that failed in a row."""

    @property
    def failures(self) -> int:
        """The number of failures among the newest requests."""
        return self.recent.bit_count()


def ready_s(breaker: Breaker, now_s: float) -> float:
    """Return the instant at which the next request may go; infinite while a probe is under way."""
    match breaker.circuit:
        case Circuit.CLOSED:
            return now_s
        case Circuit.OPEN:
            return max(now_s, breaker.until_s)
        case Circuit.HALF_OPEN:
            return math.inf


def admitted(breaker: Breaker) -> Breaker:
    """Let a request go; through an open circuit it goes as the probe."""
    if breaker.circuit is Circuit.CLOSED:
        return breaker
    return replace(breaker, circuit=Circuit.HALF_OPEN)


def on_result(
    breaker: Breaker,
    rules: CircuitBreaker,
    *,
    failed: bool,
    absent: bool = False,
    absences_max: int = ABSENCES_MAX,
    now_s: float,
) -> Breaker:
    """Take in a request that was sent while the circuit was closed and came back.

    `absent`: it failed because nobody was there for it, and nothing else that is under way could
    still be answered. After `absences_max` of them in a row it opens.
    """
    most = 2 * rules.minimum_requests
    breaker = replace(
        breaker,
        recent=(breaker.recent << 1 | failed) & ((1 << most) - 1),
        counted=min(breaker.counted + 1, most),
        absences=breaker.absences + absent if failed else 0,
    )
    if failed and (_too_many(breaker, rules) or _away(breaker, rules, absences_max)):
        return _opened(breaker, rules, 0, now_s)
    return breaker


def on_probe(breaker: Breaker, rules: CircuitBreaker, *, failed: bool, now_s: float) -> Breaker:
    """Take in the one request that was let through an open circuit and came back."""
    if failed:
        return _opened(breaker, rules, breaker.probes_failed + 1, now_s)
    return relieved(breaker)


def on_abandoned(breaker: Breaker, now_s: float) -> Breaker:
    """Let another request try at once: the probe was cancelled, and said nothing."""
    return replace(breaker, circuit=Circuit.OPEN, until_s=now_s)


def relieved(breaker: Breaker) -> Breaker:
    """Close: the provider is there, whether a probe found that out or not."""
    return Breaker(openings=breaker.openings)


def _too_many(breaker: Breaker, rules: CircuitBreaker) -> bool:
    def over(recent: int, count: int) -> bool:
        return recent.bit_count() * 100 > rules.failure_percent * count

    newest = breaker.recent & ((1 << rules.minimum_requests) - 1)
    return breaker.counted >= rules.minimum_requests and (
        over(newest, rules.minimum_requests) or over(breaker.recent, breaker.counted)
    )


def _away(breaker: Breaker, rules: CircuitBreaker, absences_max: int) -> bool:
    return rules.failure_percent < 100 and breaker.absences >= absences_max


def _opened(breaker: Breaker, rules: CircuitBreaker, probes: int, now_s: float) -> Breaker:
    open_for_s = rules.open_for.total_seconds()
    growth = 2.0 ** min(max(0, probes - PROBES_PATIENT), 16)
    pause_s = max(open_for_s, min(open_for_s * growth, PAUSE_S_MAX))
    return Breaker(
        Circuit.OPEN,
        openings=breaker.openings + 1,
        until_s=now_s + pause_s,
        probes_failed=probes,
    )
