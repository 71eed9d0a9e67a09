"""What holds where several InferenceProviders are one account: of each of their orders the stricter
one. None of them is asked faster than it says, whatever the others do.
"""

from collections.abc import Iterable, Sequence

from capscan.model import Limits
from capscan.model.provider import CircuitBreaker


def strictest(orders: Sequence[Limits]) -> Limits:
    """Each limit by itself; what nobody gives stays to be learnt. At least one order."""
    return Limits(
        max_in_flight=_least(each.max_in_flight for each in orders),
        requests_per_minute=_least(each.requests_per_minute for each in orders),
        input_tokens_per_minute=_least(each.input_tokens_per_minute for each in orders),
        output_tokens_per_minute=_least(each.output_tokens_per_minute for each in orders),
        headroom_percent=max(each.headroom_percent for each in orders),
    )


def most_careful(breakers: Sequence[CircuitBreaker]) -> CircuitBreaker:
    """Opens soonest, and stays open longest. At least one."""
    return CircuitBreaker(
        failure_percent=min(each.failure_percent for each in breakers),
        minimum_requests=min(each.minimum_requests for each in breakers),
        open_for=max(each.open_for for each in breakers),
    )


def _least(limits: Iterable[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
