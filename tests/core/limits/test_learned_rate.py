"""A rate that only refusals tell."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.limits import learned_rate
from capscan.core.limits.learned_rate import MARGIN, START_PER_S, LearnedRate


def sent(learned: LearnedRate, count: int, from_s: float, to_s: float) -> LearnedRate:
    for number in range(count):
        learned = learned_rate.admitted(learned, from_s + (to_s - from_s) * number / count)
    return learned


def test_nothing_waits_before_the_first_refusal() -> None:
    assert learned_rate.ready_s(sent(LearnedRate(), 500, 0.0, 1.0), 1.0) == 1.0


def test_requests_to_an_unknown_account_are_spread_until_the_first_answer() -> None:
    learned = learned_rate.admitted(learned_rate.admitted(learned_rate.starting(0.0), 0.0), 0.0)
    assert 0.0 < learned_rate.ready_s(learned, 0.0) <= 1 / START_PER_S
    assert learned.rate_per_s is None

    assert learned_rate.ready_s(learned_rate.on_success(learned, 0.0), 0.0) == 0.0


@given(st.integers(2, 500), st.floats(1.0, 15.0), st.integers(0, 600))
def test_two_refusals_tell_the_rate_whatever_the_burst(
    rate_per_s: int, span_s: float, burst: int
) -> None:
    """They tell it roughly: the bucket is empty at both, so what went in between was earned."""
    learned = learned_rate.refused(sent(LearnedRate(), burst + 1, 0.0, 1.0), 1.0, 1.0, 0.0)
    first_per_s = learned.rate_per_s
    learned = sent(learned, int(rate_per_s * span_s) + 1, 1.0, 1.0 + span_s)
    learned = learned_rate.refused(learned, 1.0 + span_s, 1.0 + span_s, 0.0)

    assert first_per_s is not None
    slowest, fastest = first_per_s * 0.5, first_per_s * 0.97
    expected = max(slowest, min(int(rate_per_s * span_s) / span_s, fastest))
    assert learned.rate_per_s == pytest.approx(expected, rel=0.05, abs=1 / 60)


def test_refusals_of_one_volley_correct_one_guess() -> None:
    """Sixteen were sent and six refused: ten went through in a second."""
    learned = sent(LearnedRate(), 16, 0.0, 0.01)
    for _ in range(6):
        learned = learned_rate.refused(learned, 0.01, 0.02, 0.0)

    assert learned.rate_per_s == 10.0


@given(
    st.lists(st.tuples(st.sampled_from("areso"), st.floats(0, 100), st.floats(0, 10)), max_size=80)
)
def test_a_refusal_never_speeds_up_and_never_stops(
    events: list[tuple[str, float, float]],
) -> None:
    learned, now_s = learned_rate.starting(0.0), 0.0
    for event, pause_s, age_s in events:
        now_s += pause_s
        before = learned.rate_per_s
        match event:
            case "a":
                learned = learned_rate.admitted(learned, now_s)
            case "r":
                learned = learned_rate.refused(learned, now_s - age_s, now_s, 1.0)
                assert learned.rate_per_s is not None
                assert before is None or learned.rate_per_s <= before
            case "e":
                behind = int(age_s)
                learned = learned_rate.refused_for(learned, 0.1, behind, now_s)
                assert learned.rate_per_s is not None
                assert before is None or learned.rate_per_s <= before
            case _:
                learned = learned_rate.on_success(learned, now_s)
        assert learned.rate_per_s is None or learned.rate_per_s > 0
        assert math.isfinite(learned_rate.ready_s(learned, now_s))


def test_a_guess_that_was_far_too_low_is_left_behind_in_minutes() -> None:
    """One request, one refusal: somebody else had used the account up."""
    learned = learned_rate.refused(sent(LearnedRate(), 2, 0.0, 0.1), 0.1, 0.1, 0.0)
    assert learned.rate_per_s == 1.0

    for second in range(1, 120):
        learned = learned_rate.on_success(learned, float(second))

    assert learned.rate_per_s is not None
    assert learned.rate_per_s > 10


def grown(learned: LearnedRate, seconds: int) -> float:
    """Return the rate after so many seconds with answers and without refusals."""
    for second in range(1, seconds + 1):
        learned = learned_rate.on_success(learned, learned.refused_at_s + second)
    assert learned.rate_per_s is not None
    return learned.rate_per_s


def test_a_rate_learnt_from_a_burst_is_outgrown_in_seconds_where_refusals_say_how_long() -> None:
    """Five went through at once: the rate may be five a second, or any other."""
    volley = sent(LearnedRate(), 6, 0.0, 0.1)

    assert grown(learned_rate.refused(volley, 0.1, 0.1, pause_s=0.0), 3) > 15
    assert grown(learned_rate.refused(volley, 0.1, 0.1, pause_s=1.0), 3) < 6


class Bucket:
    """The provider's, before which `learned` paces itself; everything takes no time."""

    def __init__(self, rate_per_s: float, burst: float) -> None:
        self.rate_per_s, self.burst, self.level, self.at_s = rate_per_s, burst, burst, 0.0

    def wait_s(self, now_s: float) -> float:
        """Take one and return 0, or return how long it takes until there is one."""
        earned = (now_s - self.at_s) * self.rate_per_s
        self.level, self.at_s = min(self.burst, self.level + earned), now_s
        if self.level < 1.0 - 1e-9:
            return (1.0 - self.level) / self.rate_per_s
        self.level -= 1.0
        return 0.0


@given(st.floats(0.5, START_PER_S), st.integers(1, 200))
def test_two_exact_waits_tell_the_rate_whatever_the_burst(rate_per_s: float, burst: int) -> None:
    provider, now_s, refusals = Bucket(rate_per_s, burst), 0.0, 0
    learned = LearnedRate()
    while refusals < 2:
        now_s = max(learned_rate.ready_s(learned, now_s), learned.grown_at_s)
        learned = learned_rate.admitted(learned, now_s)
        if wait_s := provider.wait_s(now_s):
            learned = learned_rate.refused_for(learned, wait_s, 0, now_s)
            refusals += 1
        elif refusals:
            # Answers speed it up until it is refused again.
            learned = learned_rate.on_success(learned, now_s)

    assert learned.rate_per_s == pytest.approx(rate_per_s * (1.0 - MARGIN))


def measured(count: int, span_s: float) -> LearnedRate:
    """After two refusals with exact waits, and so many requests in between."""
    learned = learned_rate.refused_for(sent(LearnedRate(), 6, 0.0, 0.1), 0.1, 0, 0.1)
    learned = sent(learned, count + 1, 0.2, 0.2 + span_s)
    return learned_rate.refused_for(learned, 0.1, 0, 0.1 + span_s)


def test_growth_is_the_faster_the_shorter_an_exact_span_was() -> None:
    once, again = measured(1, 0.1), measured(5, 0.5)

    assert (once.rate_per_s, again.rate_per_s) == pytest.approx((9.8, 9.8))
    assert once.growth_per_s > again.growth_per_s > measured(15, 1.5).growth_per_s


def test_refusals_of_one_volley_tell_one_instant() -> None:
    """The first of six that were sent together, and then the others of them."""
    learned = sent(LearnedRate(), 16, 0.0, 0.01)
    first = learned_rate.refused_for(learned, 0.08, 5, 0.02)
    learned = first
    for behind in (4, 3, 2, 1, 0):
        learned = learned_rate.refused_for(learned, 0.08, behind, 0.02)

    assert learned.let_through == 0
    assert (learned.rate_per_s, learned.since_s) == (first.rate_per_s, first.since_s)


def test_after_idling_a_span_is_no_longer_exact() -> None:
    """The provider's bucket may have been full in between."""
    learned = measured(10, 1.0)
    busy = learned_rate.admitted(learned, 1.3)

    assert (busy.exact, learned_rate.admitted(busy, 1.4).exact) == (True, True)
    assert not learned_rate.admitted(busy, 9.0).exact
