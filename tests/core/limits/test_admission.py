"""The state of one account as a whole: when the next request may go."""

import math
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.limits import admission, feedback
from capscan.core.limits.admission import Permit
from capscan.core.limits.sample import Sample, Signal
from capscan.model import Limits, ObservedLimit, ObservedLimits, Usage
from capscan.model.provider import ApiProtocol, Circuit
from tests.core.limits.states import ANSWERED, ITEM, answered, opened, rules

SAMPLES = st.builds(
    Sample,
    st.sampled_from(Signal),
    st.builds(Usage, st.just(1), st.integers(0, 9000), st.just(0), st.integers(0, 9000)),
    st.none()
    | st.builds(
        partial(ObservedLimits, output_tokens=None),
        requests=st.none()
        | st.builds(
            ObservedLimit,
            st.integers(0, 1000),
            st.integers(0, 1000),
            st.none() | st.floats(0, 100),
        ),
    ),
    st.sampled_from([None, 0.0, 0.5, 3.0, math.inf, math.nan, -1.0]),
)
LIMITS = st.builds(
    Limits,
    max_in_flight=st.none() | st.integers(1, 30),
    requests_per_minute=st.none() | st.integers(1, 3000),
    input_tokens_per_minute=st.none() | st.integers(1, 10**6),
    output_tokens_per_minute=st.none() | st.integers(1, 10**6),
    headroom_percent=st.integers(0, 90),
)


@given(
    st.sampled_from(ApiProtocol),
    LIMITS,
    LIMITS,
    st.lists(st.tuples(st.floats(0, 4), st.integers(0, 99), st.none() | SAMPLES), max_size=60),
)
def test_any_order_of_events_conserves_permits_and_gets_on(
    protocol: ApiProtocol,
    limits: Limits,
    later: Limits,
    events: list[tuple[float, int, Sample | None]],
) -> None:
    """None stands for one more request, if it may go; a sample for one that comes back."""
    now_s, state = 0.0, opened(limits, protocol)
    under_way: list[Permit] = []
    for number, (pause_s, which, sample) in enumerate(events):
        now_s += pause_s
        if number == 30:
            state = admission.configured(state, rules(later, protocol), now_s)
        if sample is None:
            circuit, at_s = state.breaker.circuit, admission.ready_s(state, ITEM, now_s)
            if at_s > now_s:
                continue
            state, permit = admission.admitted(state, ITEM, now_s)
            under_way.append(permit)
            assert permit.probe == (circuit is not Circuit.CLOSED)
            assert now_s >= state.closed_until_s
        elif under_way:
            permit = under_way.pop(which % len(under_way))
            state = feedback.returned(state, permit, sample, now_s)
        assert state.in_flight == len(under_way)
        assert sum(permit.probe for permit in under_way) <= 1

    for permit in under_way:
        state = feedback.returned(state, permit, ANSWERED, now_s)
    assert state.in_flight == 0
    assert math.isfinite(admission.ready_s(state, ITEM, now_s))


def test_without_a_free_permit_there_is_no_instant_to_wait_for() -> None:
    state = opened(Limits(max_in_flight=1, requests_per_minute=60))
    state, _ = admission.admitted(state, ITEM, 0.0)

    assert admission.ready_s(state, ITEM, 0.0) == math.inf


def test_the_latest_of_all_limits_counts() -> None:
    state = opened(Limits(requests_per_minute=60, input_tokens_per_minute=6000))
    state, _ = admission.admitted(state, ITEM, 0.0)

    assert admission.ready_s(state, ITEM, 0.0) == pytest.approx(15.0, abs=0.1)


def test_openai_charges_prompt_and_longest_answer_and_gives_nothing_back() -> None:
    state = opened(Limits(input_tokens_per_minute=6000))
    assert admission.costs(state, ITEM) == (1500.0, 500.0)

    state, permit = admission.admitted(state, ITEM, 0.0)
    before = state.input_tokens
    state = feedback.returned(state, permit, Sample(Signal.ANSWERED, Usage(1, 10, 0, 1)), 0.0)
    assert state.input_tokens == before


def test_the_pace_of_items_is_that_of_the_scarcest_limit() -> None:
    state = opened(Limits(requests_per_minute=600, input_tokens_per_minute=60_000))
    assert admission.items_per_s(state) == 10.0

    state, _ = admission.admitted(state, ITEM, 0.0)
    assert admission.items_per_s(state) == pytest.approx(1000 / 1500)


def test_headroom_holds_for_permits_too() -> None:
    state = opened(Limits(max_in_flight=10, headroom_percent=25))

    assert state.permits.count == 7


def test_new_rules_keep_what_was_learnt() -> None:
    observed = ObservedLimits(requests=ObservedLimit(600, 599, 0.1))
    state = answered(opened(), Sample(Signal.ANSWERED, Usage(1, 2000, 0, 100), observed))
    state = admission.configured(state, rules(Limits(max_in_flight=4)), 1.0)

    assert state.permits.count == 4
    assert state.requests.rate_per_s == 10.0
    assert state.input_factor == 2.0


def test_a_window_that_is_used_up_is_closed_until_its_end() -> None:
    state = opened(Limits(requests_per_minute=600))
    for at_s, remaining, reset_s in ((0.0, 599, 60.0), (4.0, 0, 56.0)):
        observed = ObservedLimits(requests=ObservedLimit(600, remaining, reset_s))
        state = answered(state, Sample(Signal.ANSWERED, observed=observed), at_s)

    assert admission.closed_until_s(state) == 60.0
