"""What holds where several InferenceProviders are one account: each setting's strictest value.

So none of them is asked faster than its own spec allows, whatever the others say.
"""

from collections.abc import Iterable, Sequence

from capscan.model import Limits
from capscan.model.provider import CircuitBreaker


def strictest(limits: Sequence[Limits]) -> Limits:
    """Return the strictest of each limit by itself; one that nobody sets stays to be learnt.

    `limits` has at least one element.
    """
    return Limits(
        max_in_flight=_least(each.max_in_flight for each in limits),
        requests_per_minute=_least(each.requests_per_minute for each in limits),
        input_tokens_per_minute=_least(each.input_tokens_per_minute for each in limits),
        output_tokens_per_minute=_least(each.output_tokens_per_minute for each in limits),
        headroom_percent=max(each.headroom_percent for each in limits),
    )


def most_careful(breakers: Sequence[CircuitBreaker]) -> CircuitBreaker:
    """Return a breaker that opens as soon, and stays open as long, as any of at least one."""
    return CircuitBreaker(
        failure_percent=min(each.failure_percent for each in breakers),
        minimum_requests=min(each.minimum_requests for each in breakers),
        open_for=max(each.open_for for each in breakers),
    )


def _least(limits: Iterable[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
