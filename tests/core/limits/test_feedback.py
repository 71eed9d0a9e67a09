"""What a request that came back teaches."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capscan.core.limits import admission, feedback
from capscan.core.limits.admission import TokenEstimate
from capscan.core.limits.sample import Sample, Signal
from capscan.model import Limits, ObservedLimit, ObservedLimits, Usage
from capscan.model.provider import ApiProtocol, Circuit
from tests.core.limits.states import ANSWERED, ANTHROPIC, DOWN, ITEM, OPENAI, answered, opened


def test_anthropic_charges_prompt_and_answer_apart_and_settles() -> None:
    limits = Limits(input_tokens_per_minute=60_000, output_tokens_per_minute=60_000)
    state, permit = admission.admitted(opened(limits, ANTHROPIC), TokenEstimate(1000, 500), 0.0)
    used = Usage(1, 1200, 900, 100)
    state = feedback.returned(state, permit, Sample(Signal.ANSWERED, used), 0.0)

    assert state.input_tokens.bucket is not None
    assert state.output_tokens.bucket is not None
    assert state.input_tokens.bucket.level == pytest.approx(1000 + 30 - 300)
    assert state.output_tokens.bucket.level == pytest.approx(500 + 30 - 100)


def test_estimates_follow_what_was_used() -> None:
    state = opened(protocol=ANTHROPIC)
    for _ in range(3):
        state = answered(state)

    assert admission.costs(state, ITEM) == pytest.approx((2000.0, 100.0))


def test_a_429_closes_for_as_long_as_it_says() -> None:
    state = answered(opened(), Sample(Signal.REFUSED, retry_after_s=86400.0))

    assert admission.ready_s(state, ITEM, 0.0) == 86400.0


@pytest.mark.parametrize("nothing", [None, 0.0, -1.0, math.nan, math.inf])
def test_a_429_that_does_not_say_closes_for_a_pause_that_doubles(nothing: float | None) -> None:
    state, now_s, pauses_s = opened(), 1.0, []
    for _ in range(8):
        state = answered(state, Sample(Signal.REFUSED, retry_after_s=nothing), now_s)
        pauses_s.append(state.closed_until_s - now_s)
        now_s = state.closed_until_s + 60

    assert pauses_s == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(("told_s", "exact"), [(0.25, True), (1.0, False), (None, False)])
def test_a_wait_in_whole_seconds_is_not_taken_as_exact(told_s: float | None, exact: bool) -> None:
    """The provider rounded it up."""
    state = answered(opened(), Sample(Signal.REFUSED, retry_after_s=told_s))

    assert state.learned.exact == exact


def test_429s_to_one_volley_are_one() -> None:
    state, permits = opened(), []
    for _ in range(5):
        state, permit = admission.admitted(state, ITEM, 1.0)
        permits.append(permit)
    for permit in permits:
        state = feedback.returned(state, permit, Sample(Signal.REFUSED), 1.01)

    assert state.closed_until_s == pytest.approx(2.01)


def test_an_outage_leaves_the_limit_as_it_was() -> None:
    """What the breaker saw must not have cut the limit of permits as well."""
    state = opened()
    for _ in range(20):
        state = answered(state)
    for _ in range(3):
        state = answered(state, Sample(Signal.OVERLOADED))
    for _ in range(20):
        if state.breaker.circuit is Circuit.CLOSED:
            state = answered(state, Sample(Signal.OVERLOADED))

    assert state.breaker.circuit is Circuit.OPEN
    assert state.permits.count == 1
    assert state.permits.threshold == 16
    assert state.permits.ceiling == math.inf


@pytest.mark.parametrize(
    ("signal", "circuit"),
    [
        (Signal.UNREACHED, Circuit.OPEN),
        (Signal.OVERLOADED, Circuit.OPEN),
        (Signal.FAILED, Circuit.CLOSED),
    ],
)
def test_three_absences_in_a_row_open_the_circuit(signal: Signal, circuit: Circuit) -> None:
    """What was cut off, or broke, may be the fault of the one question that is asked again."""
    state = opened()
    for _ in range(3):
        state = answered(state, Sample(signal))

    assert state.breaker.circuit is circuit


@pytest.mark.parametrize(
    ("healthy_at_s", "circuit"),
    [
        pytest.param(6.0, Circuit.CLOSED, id="others sent since are answered"),
        pytest.param(4.0, Circuit.OPEN, id="others sent before were answered"),
    ],
)
def test_a_question_that_breaks_the_provider_again_says_nothing_new(
    healthy_at_s: float, circuit: Circuit
) -> None:
    """It opens the circuit only if nobody else is answered either."""
    state, healthy = admission.admitted(opened(), ITEM, healthy_at_s)
    state = feedback.returned(state, healthy, ANSWERED, 7.0)
    for _ in range(30):
        state = answered(state, Sample(Signal.FAILED, broke_at_s=5.0), 8.0)
        if state.breaker.circuit is Circuit.OPEN:
            break

    assert state.breaker.circuit is circuit


@pytest.mark.parametrize("signal", [Signal.REFUSED, Signal.UNREACHED])
def test_a_request_that_was_not_looked_at_takes_nothing_of_the_limits(signal: Signal) -> None:
    limits = Limits(requests_per_minute=60, input_tokens_per_minute=6000)
    state = opened(limits)
    before_s = admission.ready_s(state, ITEM, 0.0)
    state = answered(state, Sample(signal, retry_after_s=1e-9))

    assert admission.ready_s(state, ITEM, 0.1) == pytest.approx(max(before_s, 0.1))


def test_an_overload_beside_other_requests_under_way_is_no_absence() -> None:
    """Those may still be answered: it is just too much at once."""
    state, _ = admission.admitted(opened(), ITEM, 0.0)
    for _ in range(9):
        state = answered(state, Sample(Signal.OVERLOADED))

    assert state.breaker.circuit is Circuit.CLOSED


def test_after_an_outage_the_limit_grows_on_as_before() -> None:
    """This holds too if few were in flight when it began: so few were not too many."""
    state = opened()
    while state.breaker.circuit is Circuit.CLOSED:
        state = answered(state, Sample(Signal.OVERLOADED))
    state, permits = answered(state, now_s=2.0), []
    for _ in range(30):
        while state.in_flight < state.permits.count:
            state, permit = admission.admitted(state, ITEM, 2.1)
            permits.append(permit)
        state = feedback.returned(state, permits.pop(0), ANSWERED, 2.2)

    assert state.permits.count > 16


def test_requests_sent_before_the_circuit_opened_count_for_nothing() -> None:
    state, late = opened(Limits(max_in_flight=30)), []
    for _ in range(4):
        state, permit = admission.admitted(state, ITEM, 0.0)
        late.append(permit)
    for _ in range(10):
        state = answered(state, DOWN)
    assert state.breaker.circuit is Circuit.OPEN
    before = state

    state = feedback.returned(state, late[0], DOWN, 0.1)
    state = feedback.returned(state, late[1], Sample(Signal.OVERLOADED), 0.1)
    assert (state.breaker, state.permits) == (before.breaker, before.permits)

    state = answered(state, ANSWERED, now_s=2.0)
    before = state
    state = feedback.returned(state, late[2], DOWN, 3.0)
    state = feedback.returned(state, late[3], ANSWERED, 3.0)
    assert (state.breaker, state.permits) == (before.breaker, before.permits)


@pytest.mark.parametrize("signal", [Signal.ANSWERED, Signal.DECLINED, Signal.REFUSED])
def test_whatever_shows_that_the_provider_is_there_closes_the_circuit(signal: Signal) -> None:
    state = opened()
    for _ in range(10):
        state = answered(state, DOWN)

    assert answered(state, Sample(signal), now_s=2.0).breaker.circuit is Circuit.CLOSED


def test_a_cancelled_probe_lets_another_one_try_at_once() -> None:
    state = opened()
    for _ in range(10):
        state = answered(state, DOWN)
    state = answered(state, Sample(Signal.ABANDONED), now_s=2.0)

    assert state.breaker.circuit is Circuit.OPEN
    assert admission.ready_s(state, ITEM, 2.0) == 2.0


COUNTS = st.integers() | st.sampled_from([0, -1, 10**19, 10**309])
TIMES = st.none() | st.floats() | st.sampled_from([0.0, -1.0, 1e308, math.nan, math.inf])
TOLD = st.none() | st.builds(ObservedLimit, st.none() | COUNTS, st.none() | COUNTS, TIMES)
SAMPLES = st.builds(
    Sample,
    st.sampled_from(Signal),
    st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS),
    st.none() | st.builds(ObservedLimits, TOLD, TOLD, TOLD),
    TIMES,
    st.floats(allow_nan=False),
)
LIMITED = Limits(
    requests_per_minute=60, input_tokens_per_minute=6000, output_tokens_per_minute=6000
)


@pytest.mark.parametrize("protocol", [ANTHROPIC, OPENAI])
@pytest.mark.parametrize("limits", [Limits(), LIMITED])
@settings(max_examples=50)
@given(samples=st.lists(SAMPLES, min_size=1, max_size=3))
def test_no_reply_takes_the_gate_whatever_its_numbers(
    protocol: ApiProtocol, limits: Limits, samples: list[Sample]
) -> None:
    """Its permit comes back, and a request may go again within a day and the odd minute."""
    state, now_s = opened(limits, protocol), 0.0
    for sample in samples:
        state, permit = admission.admitted(state, ITEM, now_s)
        state = feedback.returned(state, permit, sample, now_s)
        assert state.in_flight == 0
        assert state.permits.count >= 1
        ready_s = admission.ready_s(state, ITEM, now_s)
        assert now_s <= ready_s <= now_s + 86_400 + 3600
        now_s = ready_s


def test_an_edit_ends_the_wait_that_a_provider_asked_for() -> None:
    state = answered(opened(), Sample(Signal.REFUSED, retry_after_s=86400.5), 1.0)
    assert admission.ready_s(state, ITEM, 2.0) > 80_000

    state = feedback.reopened(state, 2.0)
    assert admission.ready_s(state, ITEM, 2.0) <= 62.0


def test_a_refusal_of_too_many_at_once_lowers_the_permits_and_closes_nothing() -> None:
    state = opened(Limits(max_in_flight=16, requests_per_minute=60_000))
    sent = []
    for _ in range(16):
        state, permit = admission.admitted(state, ITEM, 1.0)
        sent.append(permit)
    for permit in sent[2:]:
        crowded = Sample(Signal.CROWDED, retry_after_s=60.0)
        state = feedback.returned(state, permit, crowded, 1.1)

    assert state.permits.count == 2
    assert state.closed_until_s < 1.1


def test_a_refusal_of_too_many_at_once_where_there_is_one_closes_for_a_moment() -> None:
    """Somebody else uses the account."""
    crowded = Sample(Signal.CROWDED, retry_after_s=60.0)
    state = answered(answered(opened(), crowded, 1.0), crowded, 2.0)

    assert state.permits.count == 1
    assert state.closed_until_s == 2.0 + 2.0
