"""The least time in which any client could have its items answered by a server that behaves so.

No client can know the latencies it will draw: with sigma above 0 the bounds that contain one hold
for the mean. Amounts count as divisible, which is exact but for what an outage cuts in two. Random
failures and faults are left out: a failure is charged nothing.
"""

from collections.abc import Iterable
from itertools import count

from tests.modelserver.behaviour import Outage, Rate


def bound_s(
    items: int,
    *,
    latency_s: float = 0.0,
    charges: Iterable[tuple[Rate, float]] = (),
    in_flight_max: int | None = None,
    outage: Outage | None = None,
) -> float:
    """From the first request to the last answer, in seconds.

    `charges`: each bucket, with all that is taken from it: `(limits.requests, items)`,
    `(limits.tokens, the sum of prompt and max_tokens)`, ... `in_flight_max`: of the server, or the
    client's own permits if they are fewer. The run begins when the behaviour is set.
    """
    if outage and outage.at_s <= 0:
        rest = (items, latency_s, tuple(charges), in_flight_max)
        return outage.for_s + _bound_s(*rest, outage=None)
    return _bound_s(items, latency_s, tuple(charges), in_flight_max, outage)


def _bound_s(
    items: int,
    latency_s: float,
    charges: tuple[tuple[Rate, float], ...],
    in_flight_max: int | None,
    outage: Outage | None,
) -> float:
    admitted_s = [_admission_s(rate, amount, outage) for rate, amount in charges]
    last_answer_s = max(admitted_s, default=0.0) + latency_s
    return max(last_answer_s, _work_s(items, latency_s, in_flight_max, outage))


def _admission_s(rate: Rate, amount: float, outage: Outage | None) -> float:
    """Return the earliest time at which the last of `amount` can be taken."""
    if rate.window_s:
        return _from_windows(rate, amount, outage)
    undisturbed_s = max(0.0, (amount - rate.capacity) / rate.per_s)
    if not outage or undisturbed_s <= outage.at_s:
        return undisturbed_s
    # What the bucket has no room for while nobody may take from it is lost.
    lost_s = max(0.0, outage.for_s - rate.capacity / rate.per_s)
    over_at_s = outage.at_s + outage.for_s
    return max(over_at_s, undisturbed_s + lost_s)


def _work_s(
    items: int, latency_s: float, in_flight_max: int | None, outage: Outage | None
) -> float:
    """Return how long it takes to work the answers out, so many at a time."""
    undisturbed_s = max(items * latency_s / in_flight_max if in_flight_max else 0.0, latency_s)
    # What is in flight when it begins goes on, unless the port is closed.
    survives_s = latency_s if outage and outage.how != "refuse" else 0.0
    if not outage or undisturbed_s <= outage.at_s + survives_s:
        return undisturbed_s
    return undisturbed_s + max(0.0, outage.for_s - survives_s)


def _from_windows(rate: Rate, amount: float, outage: Outage | None) -> float:
    for number in count():
        at_s = number * rate.window_s
        if outage and outage.lasts(at_s):
            at_s = outage.at_s + outage.for_s
        if at_s < (number + 1) * rate.window_s:
            amount -= rate.capacity
        if amount <= 0:
            return at_s
    raise AssertionError("there is always another window")
