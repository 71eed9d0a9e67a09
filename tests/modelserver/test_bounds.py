"""Bounds, held against the best client there is: one that knows the server by heart."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modelserver.behaviour import Outage, Rate
from tests.modelserver.bounds import bound_s
from tests.modelserver.buckets import bucket


def test_a_limit_on_requests_admits_the_last_one_that_late() -> None:
    """(300 - 1) / 10 a second, and then its latency."""
    charges = [(Rate(per_minute=600, burst=1), 300)]

    assert bound_s(300, latency_s=0.5, charges=charges) == pytest.approx(29.9 + 0.5)


def test_a_full_minutes_burst_may_need_no_time_at_all() -> None:
    """600 items at 600 a minute are admitted at once."""
    assert bound_s(600, latency_s=0.5, charges=[(Rate(per_minute=600), 600)]) == 0.5


def test_the_tightest_limit_rules() -> None:
    """Tokens here: (480,000 + 80,000 - 480,000) / 8,000 a second."""
    charges = [(Rate(per_minute=600), 300.0), (Rate(per_minute=480_000), 560_000.0)]

    assert bound_s(300, latency_s=0.5, charges=charges) == pytest.approx(10.5)


def test_so_many_in_flight_share_the_work() -> None:
    """320 answers of half a second by 16 at a time."""
    assert bound_s(320, latency_s=0.5, in_flight_max=16) == pytest.approx(10)


def test_fixed_windows_admit_in_steps() -> None:
    """The 601st and the 1,200th request belong to the second minute."""
    windows = Rate(per_minute=600, window_s=60)

    assert bound_s(600, latency_s=1, charges=[(windows, 600)]) == 1
    assert bound_s(601, latency_s=1, charges=[(windows, 601)]) == 61
    assert bound_s(1200, latency_s=1, charges=[(windows, 1200)]) == 61


def test_an_outage_costs_what_could_not_be_made_up() -> None:
    """Permits lose it but for what was in flight; a bucket saves up what it has room for."""
    outage = Outage(at_s=2, for_s=8)

    assert bound_s(320, latency_s=0.5, in_flight_max=16, outage=outage) == pytest.approx(17.5)
    refused = Outage(at_s=2, for_s=8, how="refuse")
    assert bound_s(320, latency_s=0.5, in_flight_max=16, outage=refused) == pytest.approx(18)
    tight = [(Rate(per_minute=600, burst=10), 300.0)]
    assert bound_s(300, charges=tight, outage=outage) == pytest.approx(29 + 7)


def test_an_outage_from_the_start_or_after_the_end() -> None:
    """The first shifts everything, the second nothing."""
    charges = [(Rate(per_minute=60, window_s=60), 70.0)]

    first, last = Outage(at_s=0, for_s=5), Outage(at_s=61, for_s=5)
    assert bound_s(70, latency_s=1, charges=charges, outage=first) == 66
    assert bound_s(70, latency_s=1, charges=charges, outage=last) == 61


RATES = st.builds(
    Rate,
    per_minute=st.sampled_from([60.0, 120.0, 600.0]),
    burst=st.integers(1, 20),
    window_s=st.sampled_from([0.0, 0.0, 5.0]),
)
OUTAGES = st.builds(
    Outage,
    # Beside the instants at which requests can be due: a tie is decided by the last digit.
    at_s=st.just(0.0) | st.integers(0, 40).map(lambda tenths: tenths / 10 + 0.037),
    for_s=st.integers(1, 80).map(lambda tenths: tenths / 10),
    how=st.sampled_from(["503", "cut"]),
)


@given(
    items=st.integers(1, 80),
    rate=RATES | st.none(),
    cap=st.integers(1, 8) | st.none(),
    outage=OUTAGES | st.none(),
)
def test_the_best_client_reaches_it_and_does_not_beat_it(
    items: int, rate: Rate | None, cap: int | None, outage: Outage | None
) -> None:
    """Exactly where a limit rules. Whole rounds of answers may cost one latency more; what an
    outage cuts in two, one item of the limit or another latency. A run that would have been over
    within a latency of its beginning may be luckier in the bound than it can be.
    """
    charges = [(rate, float(items))] if rate else []
    bound = bound_s(items, latency_s=0.5, charges=charges, in_flight_max=cap, outage=outage)

    best = best_s(items, 0.5, rate, cap, outage)

    assert best >= bound - 1e-6
    if cap is None:
        one_item_s = 1 / rate.per_s if rate and outage else 0.0
        assert best <= bound + one_item_s + 1e-6
    elif rate is None and not (outage and items * 0.5 / cap <= outage.at_s + 0.5 + 1e-6):
        assert best <= bound + (1.0 if outage else 0.5) + 1e-6


def best_s(
    items: int, latency_s: float, rate: Rate | None, cap: int | None, outage: Outage | None
) -> float:
    """Each request as early as the server's own buckets would take it."""
    requests = bucket(rate) if rate else None
    free_at = [0.0] * (cap or items)
    now = 0.0
    for _ in range(items):
        now = max(now, heapq.heappop(free_at))
        while True:
            if outage and outage.lasts(now):
                now = outage.at_s + outage.for_s
            wait_s = requests.wait_s(1, now) if requests else 0.0
            if not wait_s:
                break
            now += wait_s
        if requests:
            requests.take(1, now)
        heapq.heappush(free_at, now + latency_s)
    return max(free_at)
