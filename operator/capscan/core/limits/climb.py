"""How many requests at once a server with few slots is asked: the number at which it answers most.

A server with few slots, or on a processor, queues what it is sent beyond them, and may answer less
of it. Latency alone cannot tell that from long answers. But by Little's law, permits over the time
of an answer are the answers a second: where twice the permits bring no more of them, the server
queues. So the climb begins with one request at a time, and doubles as long as that pays. A cloud is
not asked so: its answers grow with the permits until it refuses, and there `aimd.py` finds out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

TOP = 16
"""At so many at once the climb ends, and the server is asked as any other."""
WORTH = 1.15
"""Twice the permits pay if they bring so much more."""
CLEARLY = 1.5
"""A gain of this is believed after half the answers."""
ANSWERS_MIN = 4
"""A level is judged by so many answers at least, and by two for each of its permits."""
FEWEST = 3
"""Fewer answers say nothing: they may be long or short by chance."""
RETRY_S = 120.0
"""The pause before more permits are tried again; it doubles each time that does not pay."""
RETRY_S_MAX = 1200.0


@dataclass(frozen=True, slots=True)
class Climb:
    """Where the climb is, and what the levels brought that it has tried."""

    level: int = 1
    warm: bool = False
    """Whether an answer came: the first may have waited for the model to be loaded."""
    answers: int = 0
    """Answers to requests that were sent at this level, with all its permits in use."""
    work: float = 0.0
    """What these answers brought: their tokens, where the server counts them."""
    spent_s: float = 0.0
    """The time that they took together."""
    rates: Mapping[int, float] = field(default_factory=dict)
    """What each level brought a second."""
    settled: bool = False
    retry_at_s: float = math.inf
    retry_s: float = RETRY_S

    @property
    def ended(self) -> bool:
        """Whether the server takes as many at once as any other."""
        return self.level >= TOP

    @property
    def rate(self) -> float:
        """What this level brings a second, by what came of it so far."""
        return self.level * self.work / self.spent_s if self.spent_s > 0 else 0.0


def answered(
    climb: Climb, level: int, took_s: float, work: float, now_s: float, *, full: bool
) -> Climb:
    """Take in an answer to a request that was sent at `level`; `full` if all its permits were used.

    The level may be another one afterwards.
    """
    if climb.ended:
        return climb
    if climb.settled:
        return _again(climb) if now_s >= climb.retry_at_s else climb
    if not climb.warm:
        return replace(climb, warm=True)
    if level != climb.level or not full or took_s <= 0:
        return climb
    climb = replace(
        climb,
        answers=climb.answers + 1,
        work=climb.work + max(1.0, work),
        spent_s=climb.spent_s + took_s,
    )
    return _judged(climb, now_s)


def _judged(climb: Climb, now_s: float) -> Climb:
    best = max((rate for at, rate in climb.rates.items() if at < climb.level), default=0.0)
    whole = max(ANSWERS_MIN, 2 * climb.level) if climb.level > 1 else FEWEST
    if climb.answers >= max(FEWEST, climb.level) and climb.rate >= CLEARLY * best > 0:
        return _up(climb)
    if climb.answers >= FEWEST and climb.rate < best:
        return _settled(climb, now_s)
    if climb.answers < whole:
        return climb
    return _up(climb) if climb.rate >= WORTH * best else _settled(climb, now_s)


def _up(climb: Climb) -> Climb:
    rates = {**climb.rates, climb.level: climb.rate}
    return _at(replace(climb, rates=rates), 2 * climb.level)


def _settled(climb: Climb, now_s: float) -> Climb:
    return replace(
        _at(climb, climb.level // 2),
        settled=True,
        retry_at_s=now_s + climb.retry_s,
        retry_s=min(2 * climb.retry_s, RETRY_S_MAX),
    )


def _again(climb: Climb) -> Climb:
    """Measure the level where it settled once more, and the next one after it."""
    lower = {at: rate for at, rate in climb.rates.items() if at < climb.level}
    return _at(replace(climb, rates=lower, settled=False), climb.level)


def _at(climb: Climb, level: int) -> Climb:
    return replace(climb, level=level, answers=0, work=0.0, spent_s=0.0)
