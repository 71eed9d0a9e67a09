"""When a run will be done: what must hold of any estimate, and how good it is in simulated runs."""

from dataclasses import replace
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.eta.forecast import (
    ETA_S_MAX,
    PRECISION,
    SAMPLES_MIN,
    Load,
    Throughput,
    add_item,
    eta_s,
)
from capscan.core.eta.latency import Latencies, add
from capscan.core.pace import Pace
from tests.core.eta.simulation import SETTINGS, score

SEEDS = 24
"""One run is off by as much as chance has it; fewer seeds would measure the seeds."""


def latencies_of(*seconds: float) -> Latencies:
    latencies = Latencies()
    for each in seconds:
        latencies = add(latencies, each)
    return latencies


STEADY = latencies_of(*[1.0] * 50)

SECONDS = st.floats(0, 1e12)
PACES = st.builds(
    Pace,
    permits=st.none() | st.integers(0, 300),
    items_per_s=st.none() | st.floats(0, 1e9),
    wait_s=st.just(0.0) | st.floats(0, 1e9),
)


@st.composite
def throughputs(draw: st.DrawFn) -> Throughput:
    throughput = Throughput()
    for now_s in sorted(draw(st.lists(st.floats(0, 1000), max_size=10))):
        pace, in_flight = draw(PACES), draw(st.integers(0, 300))
        throughput = add_item(throughput, now_s, pace=pace, parallelism=64, in_flight=in_flight)
    return throughput


@st.composite
def loads(draw: st.DrawFn) -> Load:
    latencies = latencies_of(*draw(st.lists(SECONDS, max_size=12)))
    return Load(
        queued=draw(st.integers(0, 2000)),
        ages_s=draw(st.lists(SECONDS, max_size=20)),
        latencies=latencies,
        in_vain=latencies_of(*draw(st.lists(SECONDS, max_size=12))),
        throughput=draw(throughputs()),
    )


# -- any input


@given(loads(), PACES, st.integers(1, 256))
def test_an_estimate_is_finite_and_positive_or_empty(
    load: Load, pace: Pace, parallelism: int
) -> None:
    left_s = eta_s(load, pace, parallelism, now_s=1000)

    if load.queued or load.ages_s:
        assert left_s is None or (isfinite(left_s) and 0 < left_s <= ETA_S_MAX)
    else:
        assert left_s == 0


@given(loads(), PACES, st.integers(1, 256), st.integers(1, 100))
def test_more_in_the_queue_never_ends_sooner(
    load: Load, pace: Pace, parallelism: int, more: int
) -> None:
    left_s = eta_s(load, pace, parallelism, now_s=1000)
    longer_s = eta_s(replace(load, queued=load.queued + more), pace, parallelism, now_s=1000)

    assert left_s is None or longer_s is None or left_s <= longer_s * (1 + 2 * PRECISION)


@given(loads(), PACES)
def test_there_is_no_estimate_from_too_few_answers(load: Load, pace: Pace) -> None:
    few = latencies_of(*load.latencies.recent_s[: SAMPLES_MIN - 1])

    assert not eta_s(replace(load, latencies=few), pace, 10, now_s=1000)


def test_there_is_no_estimate_while_every_request_fails() -> None:
    assert eta_s(Load(10, in_vain=STEADY), Pace(), 10, now_s=1) is None


def test_there_is_no_estimate_while_nobody_knows_when_the_provider_is_back() -> None:
    assert eta_s(Load(10, latencies=STEADY), Pace(returns=False), 10, now_s=1) is None


# -- the bounds


@pytest.mark.parametrize(
    ("pace", "seconds"),
    [
        (Pace(), 100),
        (Pace(permits=5), 200),
        (Pace(permits=500), 100),
        (Pace(items_per_s=2), 500),
        (Pace(permits=5, items_per_s=100), 200),
        (Pace(wait_s=30), 130),
    ],
)
def test_the_tightest_bound_decides_the_estimate(pace: Pace, seconds: float) -> None:
    """1,000 items of a second each, ten at once where nothing else is known."""
    load = Load(1000, latencies=STEADY, ages_s=[0.5] * 10)

    assert eta_s(load, pace, 10, now_s=1) == pytest.approx(seconds, rel=0.06)


def test_each_retry_is_one_more_request() -> None:
    failed = latencies_of(*[1.0] * (STEADY.count // 4))
    load = Load(1000, latencies=STEADY, in_vain=failed)

    assert eta_s(load, Pace(), 10, now_s=1) == pytest.approx(125, rel=0.06)


@pytest.mark.parametrize(("failed_s", "left_s"), [(0.001, 100), (10.0, 350)])
def test_failed_requests_count_with_their_own_times(failed_s: float, left_s: float) -> None:
    """A refusal within a millisecond makes no answer quicker."""
    failed = latencies_of(*[failed_s] * (STEADY.count // 4))
    load = Load(1000, latencies=STEADY, in_vain=failed)

    assert eta_s(load, Pace(), 10, now_s=1) == pytest.approx(left_s, rel=0.06)


def test_the_last_request_counts_though_the_rate_is_high() -> None:
    latencies = latencies_of(*[0.5, 1.0, 2.0, 4.0] * 10)
    left_s = eta_s(Load(0, ages_s=[4.0], latencies=latencies), Pace(items_per_s=100), 10, now_s=1)

    assert left_s is not None
    assert left_s > 0.5


def test_what_the_api_server_delivers_is_the_bound_where_permits_are_idle() -> None:
    """The offline analysis takes microseconds; reading the CRDs does not."""
    throughput = Throughput()
    for n in range(100):
        throughput = add_item(throughput, n / 20, pace=Pace(), parallelism=10, in_flight=0)
    load = Load(200, latencies=latencies_of(*[1e-5] * 100), throughput=throughput)

    assert eta_s(load, Pace(), 10, now_s=5) == pytest.approx(10, rel=0.05)


def test_growing_permits_are_counted_on_up_to_the_parallelism() -> None:
    throughput = Throughput()
    for n in range(10):
        pace = Pace(permits=4 + n)
        throughput = add_item(throughput, n, pace=pace, parallelism=64, in_flight=3 + n)
    growing = Load(600, ages_s=[0.5] * 13, latencies=STEADY, throughput=throughput)
    steady = replace(growing, throughput=Throughput())
    grown_s, steady_s = (eta_s(load, Pace(13), 64, now_s=10) for load in (growing, steady))

    assert grown_s is not None
    assert steady_s is not None
    assert grown_s < steady_s / 3


def test_permits_on_their_way_back_after_an_outage_are_counted_on() -> None:
    """One request at a time is allowed only at first."""
    load = Load(160, latencies=STEADY)
    back_s, up_s, one_s = (
        eta_s(load, pace, 64, now_s=1)
        for pace in (Pace(permits=1, permits_soon=16), Pace(permits=16), Pace(permits=1))
    )

    assert back_s is not None
    assert up_s is not None
    assert one_s is not None
    assert back_s == pytest.approx(up_s, rel=0.2)
    assert one_s > 5 * up_s


def test_a_closed_gate_begins_the_count_of_items_again() -> None:
    throughput = add_item(Throughput(), 1, pace=Pace(), parallelism=10, in_flight=9)

    assert throughput.settled_s == (1,)
    assert add_item(throughput, 2, pace=Pace(wait_s=5), parallelism=10, in_flight=8) == Throughput()


# -- simulated runs; benchmarks/bench_eta.py has all of them, over more seeds


@pytest.mark.parametrize(
    ("name", "error_max"), [("rate-bound, 300", 0.03), ("offline, API server 100/s", 0.02)]
)
def test_where_a_rate_is_the_bound_the_end_is_known_well(name: str, error_max: float) -> None:
    """As a share of the makespan, from 5 to 95 % of progress; never empty there."""
    of = score(SETTINGS[name], seeds=4)

    assert of.ours <= error_max
    assert of.covered == 1


def test_a_ramp_is_not_taken_for_a_steady_rate() -> None:
    of = score(SETTINGS["ramp from 1, 300"], seeds=4)

    assert of.ours < 0.25 * of.naive
