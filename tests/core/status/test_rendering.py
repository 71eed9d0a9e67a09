"""The fields of the status that a user reads."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from capscan.core.eta.latency import Latencies
from capscan.core.merge_patch import merge_patch
from capscan.core.pace import Pace
from capscan.core.run.lifecycle import Handled
from capscan.core.run.plan import PlannedItem, ScanPlan
from capscan.core.run.progress import Tally, start
from capscan.model import FinishedRun, Phase, Usage
from tests.core.rfc7386 import applied
from tests.core.status.rendered import FAILURES, HALF_WAY, shown
from tests.fakes import failed_item, name_of, ref, run
from tests.virtual import EPOCH


def test_failed_items_that_do_not_fit_are_counted() -> None:
    assert shown(Phase.SCANNING, FAILURES).failed_items_omitted == 2
    assert (
        shown(
            Phase.SCANNING, replace(FAILURES, failed_by_reason={"Timeout": 1})
        ).failed_items_omitted
        is None
    )


def test_a_run_at_work_says_when_it_ends() -> None:
    """Ten items took twenty seconds, and ten are left."""
    status = shown(Phase.SCANNING, HALF_WAY, working_s=20.0, eta_s=20.0)

    assert status.eta == "20s"
    assert status.estimated_completion_time == EPOCH + timedelta(seconds=20)
    assert status.throughput_per_minute == 30.0
    assert status.in_flight == ["a.x", "b.x"]


def test_the_eta_is_at_least_a_second() -> None:
    """`0s` would read as done."""
    nearly = Tally(total=1000, completed=999, asked=999)

    assert shown(Phase.SCANNING, nearly, eta_s=0.2).eta == "1s"


@pytest.mark.parametrize(
    "phase",
    [Phase.DISCOVERING, Phase.SUSPENDED, Phase.COMPLETED, Phase.COMPLETED_WITH_FAILURES,
     Phase.FAILED],
)  # fmt: skip
def test_a_scan_that_is_not_at_work_has_no_eta(phase: Phase) -> None:
    status = shown(phase, HALF_WAY, working_s=20.0, eta_s=20.0)

    assert status.eta is None
    assert status.estimated_completion_time is None
    assert status.in_flight is None


def test_at_most_thirty_two_names_are_in_flight() -> None:
    many = replace(HALF_WAY, total=99, in_flight=dict.fromkeys(map(name_of, range(40)), 0.0))
    status = shown(Phase.SCANNING, many)

    assert status.in_flight == [name_of(n) for n in range(32)]
    assert status.progress is not None
    assert status.progress.in_flight == 40


def test_a_finished_run_shows_its_rate_over_its_whole_time() -> None:
    ended = run(completion_time=EPOCH, duration=timedelta(minutes=2))
    status = shown(Phase.COMPLETED, Tally(total=10, completed=10), at={"handled": Handled(ended)})

    assert status.throughput_per_minute == 5.0


def test_a_finished_run_that_asked_nothing_has_no_rate() -> None:
    ended = run(completion_time=EPOCH, duration=timedelta(minutes=2))

    unchanged = Tally(total=10, unchanged=10)
    assert (
        shown(Phase.COMPLETED, unchanged, at={"handled": Handled(ended)}).throughput_per_minute
        is None
    )


def test_the_status_shows_what_was_handled_and_who_answers() -> None:
    before = FinishedRun(id="r0", phase=Phase.FAILED, start_time=EPOCH, summary="1/2")
    status = shown(
        Phase.PENDING,
        at={"handled": Handled(run("r9"), "a", "10:00"), "last_run": before},
        provider="offline",
        model="rules/1",
    )

    assert status.run == run("r9")
    assert (status.last_handled_rescan, status.last_handled_requested_at) == ("a", "10:00")
    assert (status.provider, status.model, status.last_run) == ("offline", "rules/1", before)
    assert status.observed_generation == 2


def test_the_largest_status_stays_small() -> None:
    """It stays under 64 KiB: the API server refuses 1.5 MB, and every watcher reads all of it."""
    items = tuple(
        failed_item(f"{n}{'x' * 250}").model_copy(update={"message": "m" * 500}) for n in range(50)
    )
    tally = Tally(
        total=3000,
        failed_by_reason={"Timeout": 3000},
        failed_items=items,
        in_flight={f"{n}{'x' * 250}": 0.0 for n in range(256)},
    )

    assert len(json.dumps(shown(Phase.SCANNING, tally).to_wire())) < 64 * 1024


def test_rates_stand_still_while_the_provider_is_away() -> None:
    """Otherwise each try during an outage would be a write with nothing new in it."""
    timed = replace(
        HALF_WAY, usage=Usage(requests=9), latencies=Latencies(9, 90.0, (10.0,) * 9), asked=10
    )
    before = shown(Phase.SCANNING, timed, working_s=10)
    away = Pace(obstacle="It is away.")
    waiting = shown(Phase.SCANNING, timed, previous=before, working_s=100, pace=away)

    assert before.speedup == 9.0
    assert before.throughput_per_minute == 60.0
    assert (waiting.speedup, waiting.throughput_per_minute) == (9.0, 60.0)


def test_a_new_run_takes_the_traces_of_the_old_one_away() -> None:
    """An old eta or completionTime must not survive into the next run."""
    at_work = shown(Phase.SCANNING, HALF_WAY, working_s=20.0, eta_s=20.0).to_wire()
    fresh = shown(Phase.PENDING).to_wire()
    patch = merge_patch(at_work, fresh)

    assert {key for key, value in patch.items() if value is None} >= {
        "eta",
        "estimatedCompletionTime",
        "inFlight",
        "progress",
        "throughputPerMinute",
    }
    assert applied(at_work, patch) == fresh


def test_a_plan_and_its_status_agree() -> None:
    plan = ScanPlan(31, (PlannedItem(ref(), "key"),), completed=1, unchanged=2, failed={"f": "E"})
    counts = shown(Phase.SCANNING, start(plan)).progress

    assert counts is not None
    assert (counts.summary, counts.percent, counts.failed_by_reason) == ("4/5", 80, {"E": 1})


ASKED = replace(
    HALF_WAY,
    latencies=Latencies(4, 8.0, (0.5, 1.5, 2.0, 4.0)),
    usage=Usage(12, input_tokens=24_000, cached_input_tokens=9_000, output_tokens=3_000),
)


def test_the_status_shows_the_times_and_tokens_of_requests() -> None:
    status = shown(Phase.SCANNING, ASKED, working_s=2.0)

    assert status.latency is not None
    assert status.latency.to_wire() == {"average": "2.0s", "p50": "1.5s", "p95": "4.0s"}
    assert status.speedup == 4.0
    assert status.usage is not None
    assert status.usage.to_wire() == {
        "requests": 12,
        "inputTokens": 24_000,
        "cachedInputTokens": 9_000,
        "outputTokens": 3_000,
        "totalTokens": 27_000,
    }


def test_there_is_no_speedup_before_the_first_answer_of_a_process() -> None:
    """The usage from before a restart tells nothing of the speed of this process."""
    resumed = replace(ASKED, latencies=Latencies())

    assert shown(Phase.SCANNING, resumed, working_s=2.0).speedup is None


def test_the_status_shows_a_cost_where_it_is_known() -> None:
    priced = replace(ASKED, usage=replace(ASKED.usage, cost=Decimal("0.117")))
    usage = shown(Phase.COMPLETED, priced, working_s=2.0).usage

    assert usage is not None
    assert usage.cost == "0.117"


def test_a_run_that_sent_nothing_shows_no_usage() -> None:
    """The offline analysis has no speedup either."""
    status = shown(Phase.COMPLETED, HALF_WAY, working_s=2.0)

    assert (status.usage, status.speedup, status.latency) == (None, None, None)
