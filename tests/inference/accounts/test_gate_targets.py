"""What the gate is for, in numbers: `targets.py` says what is measured and how."""

import random
from functools import partial

import anyio
import pytest

from capscan.inference.accounts.gate import Gate
from capscan.model import Limits
from capscan.model.provider import ApiProtocol
from tests import virtual
from tests.inference.accounts.gates import UNLIMITED
from tests.inference.accounts.simulated import (
    Allowance,
    SimulatedProvider,
    ask_all,
    items,
    to_the_second,
    untold,
)
from tests.inference.accounts.targets import (
    RPM_600,
    SEEDS,
    TEN_TIMES,
    Make,
    bare_600,
    least_s,
    measured,
    meets,
    rpm_600,
    silent_600,
    tpm_480k,
    windows_of_600,
)

pytestmark = pytest.mark.slow


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
def test_waits_in_whole_seconds_teach_the_rate_less_exactly(burst: float) -> None:
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
    """The scan does not wait longer either than it takes to try again."""

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
