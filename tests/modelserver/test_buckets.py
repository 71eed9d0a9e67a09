"""Buckets in explicit time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modelserver.behaviour import Limits, Rate
from tests.modelserver.buckets import Account, bucket


def test_a_bucket_starts_full_and_refills_smoothly() -> None:
    """Sixty a minute with a burst of two: two at once, then one a second."""
    requests = bucket(Rate(per_minute=60, burst=2))
    requests.take(1, now=10)
    requests.take(1, now=10)

    assert requests.wait_s(1, now=10) == pytest.approx(1)
    assert requests.wait_s(1, now=10.75) == pytest.approx(0.25)
    assert requests.wait_s(1, now=11) == 0
    assert requests.full_in_s(now=10) == pytest.approx(2)


def test_a_bucket_holds_a_minutes_worth_unless_told_otherwise() -> None:
    """The usual meaning of a limit per minute."""
    assert bucket(Rate(per_minute=600)).remaining(now=5) == 600


def test_what_is_not_taken_does_not_pile_up() -> None:
    """After an hour there is no more than a full bucket."""
    tokens = bucket(Rate(per_minute=60, burst=5))
    tokens.take(5, now=0)

    assert tokens.remaining(now=3600) == 5


@pytest.mark.parametrize("window_s", [0.0, 60.0])
def test_more_than_it_can_hold_is_never_given(window_s: float) -> None:
    """Waiting would not help, and the wait says so."""
    assert bucket(Rate(per_minute=60, window_s=window_s)).wait_s(61, now=0) == float("inf")


def test_a_window_gives_all_at_once_and_then_nothing() -> None:
    """The first window starts with the first request, the others follow it without a gap."""
    requests = bucket(Rate(per_minute=3, window_s=60))
    for _ in range(3):
        requests.take(1, now=100)

    assert requests.wait_s(1, now=130) == pytest.approx(30)
    assert requests.wait_s(3, now=160) == 0
    requests.take(1, now=175)
    assert requests.remaining(now=175) == 2
    assert requests.full_in_s(now=175) == pytest.approx(45)


def test_a_request_takes_from_every_bucket_or_from_none() -> None:
    """What the tokens refuse has not cost a request; the longest wait is told."""
    account = Account(Limits(requests=Rate(per_minute=60), tokens=Rate(per_minute=600)))
    assert account.admit({"requests": 1, "tokens": 500}, now=0) is None

    short = account.admit({"requests": 1, "tokens": 200}, now=0)

    assert short
    assert short[0] == "tokens"
    assert short[1] == pytest.approx(10)
    assert account.buckets["requests"].remaining(now=0) == 59
    assert account.requests_admitted == 1


def test_what_has_no_limit_is_never_short() -> None:
    """A charge without a bucket is nobody's business."""
    assert Account(Limits()).admit({"requests": 1, "tokens": 10**9}, now=0) is None


@given(
    gaps=st.lists(st.floats(0, 20), min_size=1, max_size=60),
    burst=st.integers(1, 30),
    window_s=st.sampled_from([0.0, 10.0]),
)
def test_no_stretch_of_time_gives_more_than_its_share(
    gaps: list[float], burst: int, window_s: float
) -> None:
    """Whatever the arrivals: at most a full bucket and what was refilled since."""
    rate = Rate(per_minute=60, burst=burst, window_s=window_s)
    requests, now, taken = bucket(rate), 0.0, 0
    for gap in gaps:
        now += gap
        if not requests.wait_s(1, now):
            requests.take(1, now)
            taken += 1

    windows = 1 + now // window_s if window_s else 0
    most = windows * rate.capacity if window_s else rate.capacity + now * rate.per_s
    assert taken <= most + 1e-6
    assert 0 <= requests.remaining(now) + 1e-6 <= rate.capacity + 1e-5
