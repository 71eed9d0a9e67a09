"""What holds where several providers are one account."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from capscan.core.limits.combined import most_careful, strictest
from capscan.model import Limits
from capscan.model.provider import CircuitBreaker

RATES = st.none() | st.integers(1, 1000)
LIMITS = st.builds(
    Limits,
    max_in_flight=st.none() | st.integers(1, 100),
    requests_per_minute=RATES,
    input_tokens_per_minute=RATES,
    output_tokens_per_minute=RATES,
    headroom_percent=st.integers(0, 90),
)


def test_each_limit_is_the_least_that_somebody_gives() -> None:
    told = Limits(requests_per_minute=60, max_in_flight=8, headroom_percent=10)
    other = Limits(requests_per_minute=90, input_tokens_per_minute=1000, max_in_flight=4)

    assert strictest([told, other]) == Limits(
        requests_per_minute=60,
        input_tokens_per_minute=1000,
        max_in_flight=4,
        headroom_percent=10,
    )
    assert strictest([told, Limits()]) == told


@given(st.lists(LIMITS, min_size=1, max_size=4), st.data())
def test_the_order_of_specs_decides_nothing(orders: list[Limits], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(orders))

    assert strictest(shuffled) == strictest(orders)
    assert strictest([strictest(orders), *orders]) == strictest(orders)


def test_the_circuit_opens_as_soon_as_it_would_for_any_of_them() -> None:
    patient = CircuitBreaker(failure_percent=90, minimum_requests=5)
    slow = CircuitBreaker(failure_percent=50, minimum_requests=20, open_for=timedelta(seconds=9))

    assert most_careful([patient, slow]) == CircuitBreaker(
        failure_percent=50, minimum_requests=5, open_for=timedelta(seconds=9)
    )
