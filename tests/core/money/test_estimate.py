"""What a run would take."""

from datetime import timedelta
from decimal import Decimal

import pytest

from capscan.core.money.estimate import Bill, estimate, message
from capscan.core.pace import Pace
from capscan.model import Usage
from capscan.model.completion import NO_USAGE

ONE = Usage(requests=1, input_tokens=3000, output_tokens=400, cost=Decimal("0.015"))


def bill(items: int, usage: Usage = ONE) -> Bill:
    found = Bill()
    for _ in range(items):
        found = found.plus(usage)
    return found


@pytest.mark.parametrize(
    ("pace", "parallelism", "seconds"),
    [
        (Pace(), 10, 120),
        (Pace(permits=4), 10, 300),
        (Pace(permits=100), 10, 120),
        (Pace(permits=1), 10, 1200),
        (Pace(items_per_s=2.0), 10, 200),
        (Pace(items_per_s=2.0, wait_s=30), 10, 230),
    ],
)
def test_the_narrowest_bound_decides_the_duration(
    pace: Pace, parallelism: int, seconds: int
) -> None:
    found = estimate(bill(400), 1000, pace, parallelism)

    assert found.duration == timedelta(seconds=seconds)


def test_questions_that_send_nothing_take_no_time_and_cost_nothing() -> None:
    found = estimate(bill(400, NO_USAGE), 1000, Pace(items_per_s=1, wait_s=9), 10)

    assert (found.duration, found.cost) == (timedelta(0), None)
    assert message(found).startswith("Dry run: 400 of 1000 CRDs would be asked about: without req")


def test_large_numbers_are_rounded_for_people() -> None:
    assert message(estimate(bill(412), 1000, Pace(permits=5), 10)) == (
        "Dry run: 412 of 1000 CRDs would be asked about: 412 requests, about 1.24M prompt and 165k "
        "answer tokens, at a cost of 6.18, in 4m7s; set spec.dryRun to false to begin."
    )
