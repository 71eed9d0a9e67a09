"""A token bucket: what it lends, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.limits import bucket as buckets
from capscan.core.limits.bucket import SLIVER_S

RATES = st.floats(0.001, 1000)
AMOUNTS = st.floats(0.01, 5000)


@given(RATES, st.lists(st.tuples(AMOUNTS, st.floats(0, 30)), max_size=40))
def test_a_bucket_never_lends_more_than_its_size(
    rate_per_s: float, asked: list[tuple[float, float]]
) -> None:
    """Whoever waits until it is ready finds the level at zero or above."""
    now_s, bucket = 0.0, buckets.full(rate_per_s, 0.0)
    for amount, pause_s in asked:
        now_s = buckets.ready_s(bucket, amount, now_s + pause_s)
        bucket = buckets.take(bucket, amount, now_s)

        assert bucket.level >= -1e-6 * bucket.size
        assert buckets.level(bucket, now_s + 1e6) <= bucket.size


@given(RATES, st.lists(st.floats(0, 3), min_size=1, max_size=60), st.floats(0, 60))
def test_no_window_sees_more_than_rate_and_burst(
    rate_per_s: float, pauses_s: list[float], window_s: float
) -> None:
    now_s, bucket, taken_at_s = 0.0, buckets.full(rate_per_s, 0.0), []
    for pause_s in pauses_s:
        now_s = buckets.ready_s(bucket, 1.0, now_s + pause_s)
        bucket = buckets.take(bucket, 1.0, now_s)
        taken_at_s.append(now_s)

    for start_s in taken_at_s:
        count = sum(start_s <= at_s < start_s + window_s for at_s in taken_at_s)
        assert count <= rate_per_s * (window_s + SLIVER_S) + 1 + 1e-6


def test_the_margin_comes_out_of_the_burst_and_not_out_of_the_rate() -> None:
    now_s, bucket = 0.0, buckets.full(10.0, 0.0)
    for _ in range(101):
        now_s = buckets.ready_s(bucket, 1.0, now_s)
        bucket = buckets.take(bucket, 1.0, now_s)

    assert now_s == pytest.approx(10.0, abs=SLIVER_S)


@pytest.mark.parametrize("rate_per_s", [0.3 / 60, 500.0])
def test_slow_and_fast_accounts_are_served(rate_per_s: float) -> None:
    bucket = buckets.take(buckets.full(rate_per_s, 0.0), 1.0, 0.0)

    assert buckets.ready_s(bucket, 1.0, 0.0) <= 1 / rate_per_s


def test_what_is_larger_than_a_minute_waits_for_a_minute_and_not_for_ever() -> None:
    bucket = buckets.take(buckets.full(100.0, 0.0), 1e9, 0.0)

    assert buckets.ready_s(bucket, 1e9, 0.0) == pytest.approx(60.0 - SLIVER_S)


def test_what_was_reserved_too_much_comes_back_at_most_to_the_brim() -> None:
    bucket = buckets.take(buckets.full(10.0, 0.0), 500.0, 0.0)

    assert buckets.level(buckets.give(bucket, 200.0, 0.0), 0.0) == pytest.approx(200.3)
    assert buckets.level(buckets.give(bucket, 900.0, 0.0), 0.0) == pytest.approx(bucket.size)


def test_a_debt_is_paid_before_anything_is_lent() -> None:
    bucket = buckets.give(buckets.full(10.0, 0.0), -21.3, 0.0)

    assert buckets.ready_s(bucket, 1.0, 0.0) == pytest.approx(2.1)


def test_what_was_given_beyond_the_size_stays_until_it_is_used() -> None:
    bucket = buckets.at_level(buckets.full(10.0, 0.0), 540.0, 0.0)

    assert buckets.level(bucket, 5.0) == 540.0


@given(RATES, RATES, st.floats(0, 100))
def test_another_rate_makes_nothing_out_of_nothing(
    before: float, after: float, at_s: float
) -> None:
    bucket = buckets.take(buckets.full(before, 0.0), 1.0, 0.0)
    changed = buckets.at_rate(bucket, after, at_s)

    assert changed.level <= buckets.level(bucket, at_s)


def test_a_larger_amount_than_ever_is_there_unless_the_provider_said_otherwise() -> None:
    bucket = buckets.full(100.0, 0.0)
    assert buckets.ready_s(bucket, 3000.0, 0.0) == 0.0

    told = buckets.at_level(bucket, 1000.0, 0.0)
    assert buckets.ready_s(told, 3000.0, 0.0) == 20.0


def test_nothing_is_earned_before_an_instant_that_lies_ahead() -> None:
    """This holds whatever is taken, paid back or changed in the meantime."""
    bucket = buckets.at_level(buckets.full(10.0, 0.0), 2.0, 60.0)
    bucket = buckets.at_rate(buckets.give(buckets.take(bucket, 2.0, 5.0), 0.5, 6.0), 5.0, 7.0)

    assert buckets.level(bucket, 59.0) == 0.5
    assert buckets.ready_s(bucket, 1.0, 20.0) == pytest.approx(60.1)
    assert buckets.ready_s(buckets.earning(bucket, 20.0), 1.0, 20.0) == pytest.approx(20.1)


def test_a_bucket_is_idle_since_it_was_full() -> None:
    bucket = buckets.take(buckets.full(10.0, 0.0), 1.0, 0.0)

    assert buckets.idle_s(bucket, 0.1) == pytest.approx(0.0)
    assert buckets.idle_s(bucket, 1.1) == pytest.approx(1.0)
