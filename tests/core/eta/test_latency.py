"""Latencies: exact over the window, an average over all, and cheap enough to fold per request."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.eta.latency import WINDOW, Latencies, add

SECONDS = st.floats(0, 1e6)


def folded(seconds: list[float]) -> Latencies:
    latencies = Latencies()
    for each in seconds:
        latencies = add(latencies, each)
    return latencies


def test_there_are_no_latencies_before_the_first_request() -> None:
    assert Latencies().average_s is None
    assert Latencies().percentile_s(50) is None


@pytest.mark.parametrize(("percent", "seconds"), [(0, 1), (50, 10), (95, 19), (100, 20)])
def test_a_percentile_is_a_latency_that_occurred(percent: int, seconds: float) -> None:
    assert folded([float(n) for n in range(20, 0, -1)]).percentile_s(percent) == seconds


def test_the_average_is_over_all_and_the_percentiles_follow_a_change() -> None:
    latencies = folded([1.0] * WINDOW + [3.0] * WINDOW)

    assert latencies.average_s == 2
    assert latencies.percentile_s(50) == 3
    assert latencies.count == 2 * WINDOW


@given(st.lists(SECONDS, min_size=1, max_size=WINDOW + 20))
def test_what_is_kept_is_bounded_and_the_newest(seconds: list[float]) -> None:
    latencies = folded(seconds)

    assert latencies.recent_s == tuple(seconds[-WINDOW:])
    assert latencies.count == len(seconds)


@given(st.lists(SECONDS, min_size=1, max_size=40))
def test_percentiles_ascend_within_what_occurred(seconds: list[float]) -> None:
    latencies = folded(seconds)
    percentiles = [latencies.percentile_s(percent) or 0.0 for percent in (0, 50, 95, 100)]

    assert [min(seconds), *percentiles, max(seconds), inf] == sorted(
        [min(seconds), *percentiles, max(seconds), inf]
    )
