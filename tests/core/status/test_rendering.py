"""The status that a user reads, and the patch that ships it."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.conditions import WORKING, Stall
from capscan.core.eta.latency import Latencies
from capscan.core.merge_patch import merge_patch
from capscan.core.pace import Pace
from capscan.core.run.lifecycle import Handled
from capscan.core.run.plan import PlannedItem, ScanPlan
from capscan.core.run.progress import Tally, start
from capscan.core.run.timetable import Timetable
from capscan.core.status import sentences
from capscan.core.status.rendering import Live, render
from capscan.core.status.state import ScanState
from capscan.model import Budget, FinishedRun, Phase, ScanSpec, ScanStatus, Usage
from tests.core.rfc7386 import applied
from tests.fakes import failed_item, name_of, ref, run
from tests.virtual import EPOCH


def state_in(phase: Phase, tally: Tally | None = None, **changes: Any) -> ScanState:
    suspended = phase is Phase.SUSPENDED
    conclusion = ""
    if not (suspended or phase in WORKING):
        conclusion = sentences.conclusion(phase, tally, Budget(), listed=31)
    reached = Phase.PENDING if suspended else phase
    return replace(
        ScanState(reached, Handled(run()), suspended=suspended, tally=tally, conclusion=conclusion),
        **changes,
    )


def shown(
    phase: Phase,
    tally: Tally | None = None,
    *,
    at: dict[str, Any] | None = None,
    previous: ScanStatus | None = None,
    **live: Any,
) -> ScanStatus:
    """While a session knows `live` of it."""
    state = state_in(phase, tally, **(at or {}))
    return render(state, Live(tally, **live), previous or ScanStatus(), EPOCH, generation=2)


ONE_FAILED = (
    "1 CRD: 1 failed (Timeout 1). status.failedItems names it; a new value in spec.rescan tries it "
    "again."
)
HALF_WAY = Tally(total=20, completed=8, unchanged=2, in_flight={"a.x": 0.0, "b.x": 0.0}, asked=10)


@pytest.mark.parametrize(
    ("phase", "tally", "message"),
    [
        (Phase.PENDING, None, "Listing CustomResourceDefinitions."),
        (Phase.DISCOVERING, None, "Listing CustomResourceDefinitions."),
        (Phase.SCANNING, HALF_WAY, "Analysing CRDs: 10 of 20 settled."),
        (Phase.SCANNING, None, "Nothing is known about this run yet."),
        (Phase.SUSPENDED, None, "Suspended; set spec.suspend to false to go on."),
        (
            Phase.SUSPENDED,
            HALF_WAY,
            "Suspended with 10/20 CRDs settled; set spec.suspend to false to go on.",
        ),
        (
            Phase.COMPLETED,
            Tally(total=6, completed=3, unchanged=2, skipped=1),
            "6 CRDs: 3 analysed, 2 unchanged, 1 deleted meanwhile.",
        ),
        (Phase.COMPLETED, Tally(total=3, unchanged=3), "3 CRDs: 3 unchanged."),
        (Phase.COMPLETED, Tally(total=1, completed=1), "1 CRD: 1 analysed."),
        (
            Phase.COMPLETED_WITH_FAILURES,
            Tally(total=1, failed_by_reason={"Timeout": 1}),
            ONE_FAILED,
        ),
    ],
)
def test_messages(phase: Phase, tally: Tally | None, message: str) -> None:
    assert shown(phase, tally).message == message


def test_a_selector_that_matches_nothing_is_told_how_to_match_something() -> None:
    status = shown(Phase.COMPLETED, start(ScanPlan(listed=31)))

    assert status.message is not None
    assert status.message.startswith("0 of 31 CRDs match the selector")
    assert "kubectl get crds" in status.message


FAILURES = Tally(
    total=10,
    completed=7,
    failed_by_reason={"Timeout": 2, "InvalidAnswer": 1},
    failed_items=(failed_item(),),
)


def test_failures_are_counted_by_reason_and_their_remedy_is_named() -> None:
    status = shown(Phase.COMPLETED_WITH_FAILURES, FAILURES)

    assert status.message is not None
    assert status.message == (
        "10 CRDs: 7 analysed, 3 failed (Timeout 2, InvalidAnswer 1). status.failedItems names "
        "them; a new value in spec.rescan tries them again."
    )


def test_a_failed_run_says_why_it_stopped() -> None:
    message = shown(Phase.FAILED, FAILURES).message

    assert message is not None
    assert "3 of 10 CRDs failed" in message
    assert "maxFailedPercent" in message


def test_a_run_with_nothing_but_failures_says_so() -> None:
    message = shown(Phase.FAILED, Tally(total=3, failed_by_reason={"Timeout": 3})).message

    assert message == (
        "Nothing could be analysed: 3 of 3 CRDs failed (Timeout 3). Mend the cause, then set a new "
        "value in spec.rescan."
    )


def test_a_stall_speaks_for_the_scan() -> None:
    status = shown(Phase.SCANNING, HALF_WAY, at={"stall": Stall("MissingPermission", "add a rule")})

    assert status.message == "add a rule"
    assert status.eta is None
    assert status.in_flight is None


def test_a_stall_may_have_much_to_say() -> None:
    """Its message may come from an exception that nobody foresaw; the API has a limit."""
    status = shown(Phase.PENDING, at={"stall": Stall("InternalError", "word " * 1000)})

    assert status.message is not None
    assert 900 < len(status.message) <= 1024


def test_failed_items_that_do_not_fit_are_counted() -> None:
    assert shown(Phase.SCANNING, FAILURES).failed_items_omitted == 2
    assert (
        shown(
            Phase.SCANNING, replace(FAILURES, failed_by_reason={"Timeout": 1})
        ).failed_items_omitted
        is None
    )


def test_a_run_at_work_says_when_it_ends() -> None:
    """Ten in twenty seconds, ten to go."""
    status = shown(Phase.SCANNING, HALF_WAY, working_s=20.0, eta_s=20.0)

    assert status.eta == "20s"
    assert status.estimated_completion_time == EPOCH + timedelta(seconds=20)
    assert status.throughput_per_minute == 30.0
    assert status.in_flight == ["a.x", "b.x"]


def test_the_last_moment_is_a_second() -> None:
    """Never `0s`, which would read as done."""
    nearly = Tally(total=1000, completed=999, asked=999)

    assert shown(Phase.SCANNING, nearly, eta_s=0.2).eta == "1s"


@pytest.mark.parametrize(
    "phase",
    [Phase.DISCOVERING, Phase.SUSPENDED, Phase.COMPLETED, Phase.COMPLETED_WITH_FAILURES,
     Phase.FAILED],
)  # fmt: skip
def test_nobody_waits_for_the_end_of_what_is_not_at_work(phase: Phase) -> None:
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


def test_what_was_handled_and_who_answers_is_shown() -> None:
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
    """Under 64 KiB: the API server refuses 1.5 MB, and every watcher reads all of it."""
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


def test_what_would_only_fall_stands_still_while_the_provider_is_away() -> None:
    """Each try of an outage would be a write with nothing new in it."""
    timed = replace(
        HALF_WAY, usage=Usage(requests=9), latencies=Latencies(9, 90.0, (10.0,) * 9), asked=10
    )
    before = shown(Phase.SCANNING, timed, working_s=10)
    away = Pace(obstacle="It is away.")
    waiting = shown(Phase.SCANNING, timed, previous=before, working_s=100, pace=away)

    assert before.speedup == 9.0
    assert before.throughput_per_minute == 60.0
    assert (waiting.speedup, waiting.throughput_per_minute) == (9.0, 60.0)


# -- at rest

OVER = {"handled": Handled(run(completion_time=EPOCH, duration=timedelta(seconds=99)))}


def restarted(status: ScanStatus, generation: int = 2) -> ScanStatus:
    """What a process makes of it that knows nothing else."""
    again = ScanStatus.model_validate(status.to_wire())
    at = ScanState.from_status(again, ScanSpec())
    return render(at, None, again, EPOCH + timedelta(hours=1), generation=generation)


COUNTS = st.integers(0, 99)
ENDS = st.builds(
    lambda completed, unchanged, skipped, failed, latencies, usage: Tally(
        total=completed + unchanged + skipped + failed,
        completed=completed,
        unchanged=unchanged,
        skipped=skipped,
        failed_by_reason={"Timeout": failed} if failed else {},
        failed_items=(failed_item(),) if failed else (),
        latencies=latencies,
        usage=usage,
    ),
    COUNTS,
    COUNTS,
    COUNTS,
    COUNTS,
    st.just(Latencies(4, 8.0, (0.5, 1.5, 2.0, 4.0))) | st.just(Latencies()),
    st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, st.decimals(0, 99, places=7)),
)


@given(
    st.sampled_from([Phase.COMPLETED, Phase.COMPLETED_WITH_FAILURES, Phase.FAILED]),
    ENDS,
    st.floats(0.0, 200.0),
)
def test_a_finished_run_reads_as_before_after_a_restart(
    phase: Phase, tally: Tally, working_s: float
) -> None:
    """Although it is the status alone that knows of it."""
    at_its_end = shown(
        phase, tally, at=OVER, working_s=working_s, provider="claude", model="claude-4"
    )

    assert restarted(at_its_end).to_wire() == at_its_end.to_wire()


def test_a_finished_run_reads_the_same_for_a_spec_that_changes_nothing() -> None:
    """observedGeneration and the conditions move together, and nothing else moves."""
    before = shown(Phase.COMPLETED, Tally(total=1, completed=1), at=OVER)
    after = restarted(before, generation=7)

    assert {c.observed_generation for c in after.conditions or ()} == {7}
    assert restarted(after, generation=2).to_wire() == before.to_wire()


@pytest.mark.parametrize("kept", [[], ["Ready"]])
@pytest.mark.parametrize("phase", [Phase.COMPLETED, Phase.FAILED])
def test_conditions_that_somebody_took_away_come_back(phase: Phase, kept: list[str]) -> None:
    before = shown(phase, FAILURES, at=OVER)
    trimmed = [c for c in before.conditions or () if c.type in kept]
    after = restarted(before.model_copy(update={"conditions": trimmed}))

    timeless = {"last_transition_time": EPOCH}
    assert [c.model_copy(update=timeless) for c in after.conditions or ()] == before.conditions


@pytest.mark.parametrize("phase", [Phase.COMPLETED, Phase.FAILED])
def test_a_flaw_of_the_spec_is_told_at_rest(phase: Phase) -> None:
    """A run that failed has something more urgent to say."""
    handled = replace(OVER["handled"], timetable=Timetable(flaw=Stall("InvalidSchedule", "No.")))
    status = shown(phase, FAILURES, at={"handled": handled})
    held = {condition.type: condition for condition in status.conditions or ()}

    assert held["Accepted"].status == "False"
    assert held["Stalled"].status == "True"
    assert (status.message == held["Stalled"].message == "No.") is (phase is Phase.COMPLETED)


def test_a_finished_scan_whose_next_run_is_held_back_is_not_said_to_have_stopped() -> None:
    """Suspended with 41/41 settled would read as if something of it were left to do."""
    tally = Tally(total=41, completed=41)
    over = state_in(Phase.COMPLETED, tally, **OVER)
    status = render(over.held(), None, ScanStatus(), EPOCH, generation=2)

    assert status.phase is Phase.SUSPENDED
    assert status.message == (
        "Suspended; the next run waits for spec.suspend: false. The last one: 41 CRDs: 41 analysed."
    )


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


# -- what requests took and cost


ASKED = replace(
    HALF_WAY,
    latencies=Latencies(4, 8.0, (0.5, 1.5, 2.0, 4.0)),
    usage=Usage(12, input_tokens=24_000, cached_input_tokens=9_000, output_tokens=3_000),
)


def test_requests_are_told_by_their_times_and_tokens() -> None:
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


def test_before_the_first_answer_of_a_process_nothing_is_known_of_its_speed() -> None:
    """What was used before a restart says nothing of it."""
    resumed = replace(ASKED, latencies=Latencies())

    assert shown(Phase.SCANNING, resumed, working_s=2.0).speedup is None


def test_a_cost_is_told_where_it_is_known() -> None:
    priced = replace(ASKED, usage=replace(ASKED.usage, cost=Decimal("0.117")))
    usage = shown(Phase.COMPLETED, priced, working_s=2.0).usage

    assert usage is not None
    assert usage.cost == "0.117"


def test_where_nothing_was_sent_nothing_was_used() -> None:
    """The offline analysis is no faster than itself."""
    status = shown(Phase.COMPLETED, HALF_WAY, working_s=2.0)

    assert (status.usage, status.speedup, status.latency) == (None, None, None)


def test_who_stands_in_for_a_provider_is_named() -> None:
    """Also where that one is what is waited for; status.provider stays what was asked for."""
    asking = shown(Phase.SCANNING, HALF_WAY, provider="claude", pace=Pace(stand_in="spare"))
    pace = Pace(stand_in="spare", obstacle="It asked to wait.")
    waiting = shown(Phase.SCANNING, HALF_WAY, provider="claude", pace=pace)

    assert asking.message == (
        "Analysing CRDs: 10 of 20 settled. Asking spare while claude is away."
    )
    assert waiting.message == "Waiting for spare: 10/20 settled. It asked to wait."
    assert (asking.provider, waiting.provider) == ("claude", "claude")


def test_a_provider_that_lets_nothing_through_is_named_with_what_it_said() -> None:
    """It heals by itself: the run is at work, and says what it waits for."""
    pace = Pace(obstacle="The provider asked to wait.")
    status = shown(Phase.SCANNING, HALF_WAY, provider="claude", pace=pace)
    held = {condition.type: condition for condition in status.conditions or ()}

    assert status.message == "Waiting for claude: 10/20 settled. The provider asked to wait."
    assert (held["Reconciling"].status, held["Reconciling"].reason) == (
        "True",
        "WaitingForProvider",
    )
    assert held["Stalled"].status == "False"
