"""One limit: what headers and refusals make of it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.limits import bucket as buckets
from capscan.core.limits import quota as quotas
from capscan.core.limits.quota import HEADROOM_S, SCALE_MIN, Quota
from capscan.model import ObservedLimit


def configured(per_minute: int | None, headroom: float = 0.0) -> Quota:
    return quotas.configure(Quota(), per_minute, headroom, 0.0)


def seen(quota: Quota, told: ObservedLimit, *, unseen: int = 0, at_s: float = 0.0) -> Quota:
    """Return the quota after a response to a request, behind which `unseen` others were sent."""
    return quotas.observe(quota, told, at_s, quota.taken - unseen, at_s)


def level(quota: Quota, now_s: float = 0.0) -> float:
    assert quota.bucket is not None
    return buckets.level(quota.bucket, now_s)


def test_without_any_limit_nothing_waits() -> None:
    assert quotas.ready_s(configured(None), 1e9, 5.0) == 5.0


def test_headroom_leaves_its_share_to_others() -> None:
    assert configured(600, headroom=0.25).rate_per_s == 7.5


def test_a_limit_is_learnt_from_headers() -> None:
    assert seen(configured(None), ObservedLimit(600, 599, 0.1)).rate_per_s == 10.0


@pytest.mark.parametrize(("limit", "rate_per_s"), [(60, 1.0), (6000, 10.0)])
def test_the_lower_of_the_limits_set_and_told_holds(limit: int, rate_per_s: float) -> None:
    assert seen(configured(600), ObservedLimit(limit, limit, 0.0)).rate_per_s == rate_per_s


def test_headers_are_believed_downwards_at_once() -> None:
    assert level(seen(configured(600), ObservedLimit(600, 0, 60.0))) == 0.0


def test_what_was_sent_since_is_not_counted_twice() -> None:
    """A request was sent a second ago; ten that were earned since then were spent since then."""
    quota = quotas.observe(
        quotas.take(configured(600), 10.0, 1.0), ObservedLimit(600, 0, 60.0), 0.0, 0.0, 1.0
    )

    assert level(quota, 1.0) <= 0.0
    assert level(quota, 2.0) >= 1.0


def test_what_is_left_of_this_minute_may_be_spent_at_once() -> None:
    quota = seen(configured(600), ObservedLimit(600, 540, 6.0), unseen=40)

    assert level(quota) == 540 - 40 - HEADROOM_S * 10 - 1


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(ObservedLimit(14400, 14399, 6.0), id="a day's worth, told as it refills"),
        pytest.param(ObservedLimit(14400, 14000, 2400.0), id="a day's worth"),
        pytest.param(ObservedLimit(600, 590), id="without a reset"),
        pytest.param(ObservedLimit(None, 590, 1.0), id="without a limit"),
        pytest.param(ObservedLimit(1200, 1100, 5.0), id="more than an administrator allows"),
    ],
)
def test_a_header_that_may_not_be_about_this_minute_lifts_nothing(told: ObservedLimit) -> None:
    assert level(seen(configured(600), told)) <= 1.3


def test_a_limit_per_day_is_none_per_minute() -> None:
    quota = seen(configured(None), ObservedLimit(14400, 14399, 6.0))
    assert quota.rate_per_s == 240.0  # as far as one response tells

    assert seen(quota, ObservedLimit(14400, 14370, 180.0)).rate_per_s is None


def test_a_reset_told_coarsely_is_still_a_minutes() -> None:
    """Anthropic tells times, in whole seconds."""
    assert level(seen(configured(None), ObservedLimit(50, 45, 6.9))) > 40


def test_after_a_refusal_no_header_lifts() -> None:
    quota = quotas.refused(configured(600), 0.0, 0.0)

    assert level(seen(quota, ObservedLimit(600, 540, 6.0))) <= 1.3


def in_window(quota: Quota) -> Quota:
    """A window of a minute began at 0 and is known since 4: 560 of 600 are left."""
    return seen(seen(quota, ObservedLimit(600, 599, 60.0)), ObservedLimit(600, 560, 56.0), at_s=4.0)


def used_up(quota: Quota) -> Quota:
    for _ in range(556):
        quota = quotas.take(quota, 1.0, 5.0)
    return quota


def test_what_a_window_holds_may_be_spent_at_once_and_nothing_is_earned_in_it() -> None:
    quota = in_window(configured(600))
    assert level(quota, 4.0) == 560 - HEADROOM_S * 10 - 1

    quota = used_up(quota)
    assert quotas.ready_s(quota, 1.0, 5.0) == 60.0
    assert quotas.closed_until_s(quota, 1.0) == 60.0


def test_after_its_end_the_rate_holds_until_a_response_tells_of_the_next_window() -> None:
    quota = quotas.take(used_up(in_window(configured(600))), 1.0, 60.0)
    assert quotas.ready_s(quota, 1.0, 60.0) == pytest.approx(60.15)

    quota = seen(quota, ObservedLimit(600, 599, 60.0), at_s=60.3)
    assert level(quota, 60.3) == 599 - HEADROOM_S * 10 - 1


def test_a_response_from_the_window_before_says_nothing() -> None:
    quota = in_window(configured(600))
    late = quotas.observe(quota, ObservedLimit(600, 0, 0.5), 59.4, quota.taken, 61.0)

    assert late == quota


def test_a_limit_set_below_the_windows_share_holds() -> None:
    quota = in_window(configured(300))

    assert level(quota, 4.0) <= 1.2
    assert quotas.ready_s(quotas.take(quota, 1.0, 4.0), 1.0, 4.0) < 5.0


def test_a_refusal_ends_the_belief_in_a_window() -> None:
    quota = quotas.refused(used_up(in_window(configured(600))), 5.0, 6.0)

    assert quota.window.ends_at_s is None
    assert quotas.ready_s(quota, 1.0, 6.0) < 6.2


def test_refusals_slow_down_once_a_second_and_answers_bring_it_back() -> None:
    quota = quotas.refused(quotas.refused(configured(600), 0.0, 0.0), 0.5, 0.5)
    assert quota.rate_per_s == pytest.approx(9.7)

    assert quotas.refused(quota, 1.0, 1.0).rate_per_s == pytest.approx(9.409)
    assert quotas.recovered(quota, 10.0).rate_per_s == pytest.approx(9.8)
    assert quotas.recovered(quota, 60.0).rate_per_s == 10.0


def test_a_refusal_of_what_was_sent_before_the_limit_was_known_slows_nothing_down() -> None:
    told = ObservedLimit(600, 0, 60.0)
    quota = quotas.observe(configured(None), told, 0.5, 0.0, 1.0)

    assert quotas.refused(quota, 0.5, 1.0) == quota
    assert quotas.refused(quota, 1.5, 2.0).rate_per_s == pytest.approx(9.7)


AMOUNTS = st.none() | st.integers(0, 10**12)


@given(
    st.integers(1, 10**9),
    st.lists(
        st.tuples(
            st.builds(ObservedLimit, AMOUNTS, AMOUNTS, st.none() | st.floats(0, 1e7)),
            st.booleans(),
            st.floats(0, 100),
        ),
        max_size=20,
    ),
)
def test_no_headers_stop_an_account_or_speed_it_up(
    per_minute: int, events: list[tuple[ObservedLimit, bool, float]]
) -> None:
    """Whatever they say, the rate stays within what was set, and one more request can go."""
    now_s, quota = 0.0, configured(per_minute)
    for told, refused, pause_s in events:
        now_s += pause_s
        quota = quotas.take(quota, 1.0, now_s)
        quota = quotas.observe(quota, told, now_s - pause_s, quota.taken - 1, now_s)
        quota = quotas.refused(quota, now_s, now_s) if refused else quotas.recovered(quota, now_s)

        rate_per_s = quota.rate_per_s
        assert rate_per_s is not None
        assert 0 < rate_per_s <= per_minute / 60
        assert quota.scale >= SCALE_MIN
        assert math.isfinite(quotas.ready_s(quota, 1.0, now_s))
        assert level(quota, now_s) <= max(61.0, rate_per_s * 60.1)
