"""What the gate is for, in numbers: the time a scan takes over the least it could take.

The least is a bound that knows the provider's buckets and what it broke, and knows no end of a run
in which the last item is slow or asked again: targets hold for the mean of the seeds, and such an
end may cost one of them TAIL more. Virtual time, so that numbers are the same anywhere.
"""

import math
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import mean

import anyio
import pytest

from capscan.inference.accounts.gate import Gate
from capscan.model import Limits
from capscan.model.provider import ApiProtocol
from tests import virtual
from tests.inference.accounts.simulated import (
    LATENCY_MEDIAN_S,
    Allowance,
    Minutes,
    RetryAfter,
    SimulatedProvider,
    ask_all,
    items,
    to_the_millisecond,
    to_the_second,
    untold,
)

pytestmark = pytest.mark.slow

SEEDS = range(5)
WORKERS = 64
UNLIMITED = Limits()
RPM_600 = Limits(requests_per_minute=600)
LEARNT_AFTER_S = 5.0
TAIL = 0.02

Make = Callable[[random.Random], SimulatedProvider]


@dataclass(frozen=True)
class Measured:
    makespan_s: float
    ratio: float
    lost: int
    calls: int
    rate_limited: int
    rate_limited_late: int
    overloaded: int
    wasted: int


def least_s(
    provider: SimulatedProvider, limits: Limits, count: int, workers: int = WORKERS
) -> float:
    """By each of the provider's limits; requests that it broke had to be asked again."""
    bounds_s = [provider.served_s / min(workers, provider.in_flight_max, _permits(limits))]
    for bucket, amount in (
        (provider.requests, count + provider.counts["broken"]),
        (provider.tokens, provider.charged_tokens),
    ):
        if bucket is not None:
            bounds_s.append(bucket.least_s(amount) + LATENCY_MEDIAN_S)
    begin_s, end_s = provider.outage
    return max(bounds_s) + (end_s - begin_s if end_s < math.inf else 0.0)


def _permits(limits: Limits) -> float:
    return math.inf if limits.max_in_flight is None else limits.max_in_flight


def measured(make: Make, limits: Limits, count: int, workers: int = WORKERS) -> list[Measured]:
    """A run for each seed."""
    backend, options = virtual.BACKEND

    def run(seed: int) -> Measured:
        return anyio.run(
            _measured, make, limits, count, workers, seed, backend=backend, backend_options=options
        )

    first, *others = SEEDS
    runs = [run(first)]
    with untraced():
        return runs + [run(seed) for seed in others]


@contextmanager
def untraced() -> Iterator[None]:
    """Coverage takes ten times as long as the gate, and the other seeds pass by the same lines."""
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)


def meets(runs: list[Measured], target: float) -> bool:
    ratios = [run.ratio for run in runs]
    return mean(ratios) <= target and max(ratios) <= target + TAIL


async def _measured(make: Make, limits: Limits, count: int, workers: int, seed: int) -> Measured:
    rng = random.Random(seed)
    provider = make(rng)
    gate = Gate(ApiProtocol.OPENAI, limits)
    run = await ask_all(gate, provider, items(count, rng), workers=workers)
    assert gate.statistics().in_flight == 0
    return Measured(
        makespan_s=run.makespan_s,
        ratio=run.makespan_s / least_s(provider, limits, count, workers),
        lost=len(run.lost),
        calls=provider.counts["calls"],
        rate_limited=provider.counts["rate_limited"],
        rate_limited_late=sum(at_s > LEARNT_AFTER_S for at_s in provider.refused_at_s),
        overloaded=provider.counts["overloaded"],
        wasted=provider.counts["wasted"],
    )


def rpm_600(
    rng: random.Random,
    *,
    burst: float = 10.0,
    headers: bool = True,
    retry_after: RetryAfter = to_the_millisecond,
) -> SimulatedProvider:
    allowance = Allowance(600, burst)
    return SimulatedProvider(rng, requests=allowance, headers=headers, retry_after=retry_after)


def tpm_480k(
    rng: random.Random, *, headers: bool = True, retry_after: RetryAfter = to_the_millisecond
) -> SimulatedProvider:
    allowance = Allowance(480_000)
    return SimulatedProvider(rng, tokens=allowance, headers=headers, retry_after=retry_after)


def windows_of_600(rng: random.Random) -> SimulatedProvider:
    return SimulatedProvider(rng, requests=Minutes(600))


silent_600 = partial(rpm_600, headers=False)
bare_600 = partial(silent_600, retry_after=untold)
TEN_TIMES = Limits(requests_per_minute=6000)


@pytest.mark.parametrize(
    ("make", "limits", "count"),
    [
        pytest.param(rpm_600, RPM_600, 300, id="requests"),
        pytest.param(bare_600, RPM_600, 300, id="requests, no headers"),
        pytest.param(tpm_480k, Limits(input_tokens_per_minute=480_000), 300, id="tokens"),
        pytest.param(partial(rpm_600, burst=600.0), RPM_600, 900, id="a minute's burst"),
    ],
)
def test_known_limits_are_met_exactly(make: Make, limits: Limits, count: int) -> None:
    runs = measured(make, limits, count)

    assert [run.lost for run in runs] == [0] * len(SEEDS)
    assert sum(run.rate_limited for run in runs) == 0
    assert meets(runs, 1.05)


@pytest.mark.parametrize("limits", [RPM_600, UNLIMITED])
def test_a_window_is_spent_at_once(limits: Limits) -> None:
    """What is left for the second minute takes as long as it takes with so many at once, and one
    answer before that: nobody said that all of it would be there.
    """
    runs = measured(windows_of_600, limits, 900)

    assert [run.lost for run in runs] == [0] * len(SEEDS)
    assert sum(run.rate_limited for run in runs) == 0
    assert meets(runs, 1.08)


@pytest.mark.parametrize(
    ("make", "limits", "count"),
    [
        pytest.param(rpm_600, UNLIMITED, 300, id="requests"),
        pytest.param(bare_600, UNLIMITED, 300, id="requests, bare 429s"),
        pytest.param(partial(silent_600, burst=5.0), UNLIMITED, 300, id="requests, exact waits"),
        pytest.param(tpm_480k, UNLIMITED, 300, id="tokens"),
        pytest.param(partial(rpm_600, burst=600.0), UNLIMITED, 900, id="a minute's burst"),
        pytest.param(rpm_600, TEN_TIMES, 300, id="ten times too high"),
        pytest.param(bare_600, TEN_TIMES, 300, id="ten times too high, bare 429s"),
        pytest.param(
            partial(silent_600, burst=5.0), TEN_TIMES, 300, id="ten times too high, exact waits"
        ),
    ],
)
def test_unknown_and_wrong_limits_are_learnt(make: Make, limits: Limits, count: int) -> None:
    runs = measured(make, limits, count)

    assert [run.lost for run in runs] == [0] * len(SEEDS)
    assert max(run.rate_limited for run in runs) <= 8
    assert sum(run.rate_limited_late for run in runs) == 0
    assert meets(runs, 1.06)


@pytest.mark.parametrize("burst", [5.0, 10.0])
def test_waits_in_whole_seconds_say_less(burst: float) -> None:
    """They were rounded up: what the provider's bucket does not hold meanwhile is lost."""
    runs = measured(partial(silent_600, burst=burst, retry_after=to_the_second), UNLIMITED, 300)

    assert [run.lost for run in runs] == [0] * len(SEEDS)
    assert max(run.rate_limited for run in runs) <= 8
    assert meets(runs, 1.25)


def test_tokens_that_only_refusals_tell_of_are_learnt_roughly() -> None:
    """Items differ in size, and the burst holds three: requests a second say little of it."""
    runs = measured(partial(tpm_480k, headers=False, retry_after=untold), UNLIMITED, 300)

    assert [run.lost for run in runs] == [0] * len(SEEDS)
    assert max(run.rate_limited for run in runs) <= 8
    assert meets(runs, 1.25)


def test_limits_set_too_low_are_obeyed() -> None:
    """They are an order, whatever the provider says it would allow: one request a second, those
    that failed by chance included, and at most 4 s for the last one and its pause.
    """
    runs = measured(rpm_600, Limits(requests_per_minute=60), 60)

    assert sum(run.rate_limited for run in runs) == 0
    assert all(0.0 <= run.makespan_s - (run.calls - 1) <= 4.0 for run in runs)


def test_overload_finds_the_most_that_is_taken_at_once() -> None:
    make = partial(SimulatedProvider, in_flight_max=16)
    runs = measured(make, UNLIMITED, 600)

    assert [run.lost for run in runs] == [0] * len(SEEDS)
    assert max(run.overloaded / run.calls for run in runs) <= 0.03
    assert meets(runs, 1.10)


@pytest.mark.parametrize(
    ("limits", "requests", "count"),
    [
        pytest.param(Limits(max_in_flight=16), None, 1000, id="by permits"),
        pytest.param(RPM_600, 600, 300, id="by requests"),
    ],
)
def test_an_outage_costs_little_more_than_its_time(
    limits: Limits, requests: int | None, count: int
) -> None:
    def make(rng: random.Random) -> SimulatedProvider:
        allowance = None if requests is None else Allowance(requests)
        return SimulatedProvider(rng, requests=allowance, outage=(5.0, 13.0))

    runs = measured(make, limits, count)

    assert [run.lost for run in runs] == [0] * len(SEEDS)
    assert max(run.wasted for run in runs) <= 20
    assert meets(runs, 1.08)


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_nothing_is_lost_of_an_outage_where_few_ask(workers: int) -> None:
    """Nor is it waited for longer than it takes to try again."""

    def make(rng: random.Random) -> SimulatedProvider:
        return SimulatedProvider(rng, outage=(5.0, 125.0))

    runs = measured(make, UNLIMITED, 60, workers)

    assert [run.lost for run in runs] == [0] * len(SEEDS)
    assert max(run.wasted for run in runs) <= 20
    assert max(run.makespan_s - 120 - 60 * 0.6 / workers for run in runs) <= 35


@pytest.mark.parametrize("seed", SEEDS)
def test_two_flows_share_an_account_and_lose_nothing_by_it(seed: int) -> None:
    backend, options = virtual.BACKEND
    anyio.run(_two_flows, seed, backend=backend, backend_options=options)


async def _two_flows(seed: int) -> None:
    rng = random.Random(seed)
    provider, gate = rpm_600(rng), Gate(ApiProtocol.OPENAI, RPM_600)
    spans_s: dict[str, float] = {}

    async def scan(flow: str, count: int) -> None:
        run = await ask_all(gate, provider, items(count, rng), flow=flow)
        assert run.lost == []
        spans_s[flow] = run.makespan_s

    async with anyio.create_task_group() as group:
        group.start_soon(scan, "large", 200)
        group.start_soon(scan, "small", 50)

    assert provider.counts["rate_limited"] == 0
    assert spans_s["small"] == pytest.approx(10.0, rel=0.2)
    assert spans_s["large"] / least_s(provider, RPM_600, 250) <= 1.06
