"""The limit of permits: how it grows, when it falls, and what it remembers."""

import math
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.limits import aimd
from capscan.core.limits.aimd import OVERLOADS, PROBE_PAUSE_S, START, Permits

EVENTS = st.lists(
    st.tuples(st.booleans(), st.integers(1, 100), st.floats(0, 5), st.floats(0, 5)), max_size=80
)


@given(EVENTS, st.integers(1, 100), st.booleans())
def test_the_limit_stays_within_bounds_and_an_overload_never_raises_it(
    events: list[tuple[bool, int, float, float]], limit_max: int, adaptive: bool
) -> None:
    now_s, permits = 0.0, aimd.configure(Permits(), limit_max, adaptive=adaptive)
    for good, in_flight, age_s, pause_s in events:
        now_s += pause_s
        step = aimd.on_success if good else aimd.on_overload
        before, permits = permits, step(permits, in_flight, now_s - age_s, now_s)

        assert 1 <= permits.count <= limit_max
        assert good or permits.limit <= before.limit


def successes(permits: Permits, count: int, now_s: float = 0.0) -> Permits:
    def answer(permits: Permits, _: int) -> Permits:
        return aimd.on_success(permits, permits.count, now_s, now_s)

    return reduce(answer, range(count), permits)


def overloads(permits: Permits, count: int, now_s: float = 0.0, sent_at_s: float = 0.0) -> Permits:
    def refuse(permits: Permits, _: int) -> Permits:
        return aimd.on_overload(permits, permits.count, sent_at_s, now_s)

    return reduce(refuse, range(count), permits)


def test_it_doubles_every_round_trip_at_first() -> None:
    assert successes(Permits(), START).count == 2 * START


def test_it_grows_only_while_at_least_half_of_it_is_used() -> None:
    permits = aimd.on_success(Permits(limit=16), 7, 0.0, 0.0)

    assert permits.limit == 16
    assert aimd.on_success(permits, 8, 0.0, 0.0).limit == 17


def test_few_overloads_are_chance() -> None:
    assert overloads(Permits(), OVERLOADS - 1).count == START


def test_overloads_far_apart_are_chance() -> None:
    permits = Permits(limit_max=START)
    for _ in range(10):
        permits = successes(overloads(permits, 1), 19)

    assert permits.count == START


def test_it_backs_off_once_for_all_that_were_under_way() -> None:
    permits = overloads(Permits(limit=40), OVERLOADS, now_s=1.0)

    assert permits.limit == pytest.approx(34)
    assert overloads(permits, 10, now_s=1.1, sent_at_s=0.9).limit == permits.limit


def test_after_backing_off_it_grows_by_one_a_round_trip() -> None:
    permits = overloads(Permits(limit=40), OVERLOADS)

    assert successes(permits, permits.count).limit == pytest.approx(35, abs=0.1)


def test_it_stays_below_what_was_too_much_and_tries_it_again_after_a_pause() -> None:
    permits = successes(overloads(Permits(limit=17), OVERLOADS), 200, now_s=PROBE_PAUSE_S - 0.1)
    assert permits.count == 16

    assert successes(permits, 1, now_s=PROBE_PAUSE_S).count == 17


def test_an_overload_while_trying_costs_one_request_and_a_longer_pause() -> None:
    permits = successes(overloads(Permits(limit=17), OVERLOADS), 200, now_s=1.0)
    permits = successes(permits, 1, now_s=2.0)
    permits = overloads(permits, 1, now_s=2.0, sent_at_s=2.0)

    assert permits.count == 16
    assert permits.probe_at_s == 2.0 + 2 * PROBE_PAUSE_S


def test_a_ceiling_that_holds_no_longer_is_forgotten() -> None:
    permits = successes(overloads(Permits(limit=17), OVERLOADS), 200, now_s=1.0)
    permits = successes(permits, 2, now_s=2.0)

    assert permits.ceiling == math.inf


def test_permits_that_are_not_adaptive_are_exactly_as_configured() -> None:
    permits = aimd.configure(Permits(), 40, adaptive=False)
    assert permits.count == 40

    assert successes(overloads(permits, 50), 50).count == 40


def test_a_restart_goes_one_at_a_time_and_quickly_back_to_where_it_was() -> None:
    permits = aimd.restarted(Permits(limit=16))
    assert permits.count == 1

    assert successes(permits, 8).limit == pytest.approx(16, abs=1.1)
    assert successes(permits, 16).count == 17


@given(st.floats(0, 1000), st.integers(1, 64))
def test_a_lower_maximum_holds_at_once(limit: float, limit_max: int) -> None:
    permits = Permits(limit=1 + limit)

    assert aimd.configure(permits, limit_max, adaptive=True).count <= limit_max
