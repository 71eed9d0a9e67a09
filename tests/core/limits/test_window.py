"""Which limits are refilled all at once."""

import math

from hypothesis import given
from hypothesis import strategies as st

from capscan.core.limits import window as windows
from capscan.core.limits.window import Window
from capscan.model import ObservedLimit


def told(used: int, reset_s: float, limit: int = 600) -> ObservedLimit:
    return ObservedLimit(limit, limit - used, reset_s)


def after(*responses: tuple[float, ObservedLimit]) -> Window:
    window = Window()
    for now_s, each in responses:
        window = windows.seen(window, each, now_s)
    return window


SHOWN = ((0.0, told(1, 60.0)), (4.0, told(40, 56.0)))


def test_an_end_that_comes_nearer_while_more_is_used_shows_a_window() -> None:
    assert after(*SHOWN).ends_at_s == 60.0


def test_less_than_seconds_of_the_rate_show_nothing() -> None:
    assert after((0.0, told(1, 60.0)), (4.0, told(30, 56.0))).ends_at_s is None


def test_the_end_is_that_of_the_response_that_was_the_least_late() -> None:
    late, later = (5.5, told(50, 55.0)), (6.0, told(45, 55.5))

    assert after(*SHOWN, late, later).ends_at_s == 60.0
    assert after((0.7, told(1, 60.0)), (4.7, told(40, 56.0)), (5.1, told(45, 55.0))).ends_at_s == (
        60.1
    )


def test_the_next_window_is_certain_at_once() -> None:
    assert after(*SHOWN, (60.4, told(1, 60.0))).ends_at_s == 120.4


def test_what_was_asked_before_the_end_tells_nothing_of_the_next_window() -> None:
    window = after(*SHOWN)

    assert windows.is_over(window, told(600, 0.5), sent_at_s=59.5, now_s=61.0)
    assert not windows.is_over(window, told(1, 59.9), sent_at_s=59.99, now_s=61.0)
    assert not windows.is_over(window, told(500, 1.0), sent_at_s=58.5, now_s=59.0)


def test_another_limit_is_another_window() -> None:
    assert after(*SHOWN, (5.0, told(50, 55.0, limit=1000))).ends_at_s is None


ROUNDED = {
    "exactly": lambda reset_s: reset_s,
    "to the millisecond": lambda reset_s: math.ceil(reset_s * 1000) / 1000,
    "down to the second": math.floor,
    "up to the second": math.ceil,
}


@given(
    st.integers(1, 10_000),
    st.floats(0.001, 1.0),
    st.floats(0.0001, 200.0),
    st.sampled_from(sorted(ROUNDED)),
    st.lists(
        st.tuples(st.floats(0, 60), st.integers(0, 100), st.floats(0, 20)), min_size=2, max_size=80
    ),
)
def test_no_token_bucket_is_ever_taken_for_a_window(
    limit: int,
    filled: float,
    rate_per_s: float,
    rounded: str,
    takes: list[tuple[float, int, float]],
) -> None:
    """Of whatever size, rate and limit, however it is drained, in whatever order responses come."""
    size = max(1.0, filled * limit)
    level, now_s, responses = size, 0.0, []
    for pause_s, amount, latency_s in takes:
        now_s += pause_s
        level = min(size, level + pause_s * rate_per_s)
        level -= min(amount, math.floor(level))
        reset_s = ROUNDED[rounded]((size - level) / rate_per_s)
        responses.append((now_s + latency_s, ObservedLimit(limit, int(level), reset_s)))

    window = Window()
    for at_s, each in sorted(responses, key=lambda response: response[0]):
        window = windows.seen(window, each, at_s)
        assert window.ends_at_s is None
