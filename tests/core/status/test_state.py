"""The steps from one state of a scan to the next."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from capscan.core.conditions import Stall
from capscan.core.run.lifecycle import Handled
from capscan.core.run.progress import Tally
from capscan.core.status import sentences
from capscan.core.status.rendering import render
from capscan.core.status.state import ScanState
from capscan.model import Budget, FinishedRun, Phase, ScanSpec, ScanStatus
from tests import fakes
from tests.virtual import EPOCH

STALL = Stall("MissingPermission", "add a rule")
BLANK = ScanState.from_status(ScanStatus(), ScanSpec())
BEGUN = BLANK.begun(Handled(fakes.run()))


def test_a_scan_without_a_status_is_pending_and_has_no_run() -> None:
    assert BLANK.phase is Phase.PENDING
    with pytest.raises(RuntimeError, match="no run"):
        _ = BLANK.run


def test_only_a_run_that_this_process_has_not_begun_is_resumed() -> None:
    inherited = ScanState.from_status(ScanStatus(run=fakes.run(owner="old")), ScanSpec())

    assert BEGUN.taken_up("me").run.resumed == 0
    taken_up = inherited.taken_up("me").taken_up("me")
    assert (taken_up.run.resumed, taken_up.run.owner) == (1, "me")


def test_a_run_that_was_held_is_resumed() -> None:
    assert BEGUN.held().taken_up("me").run.resumed == 1


def test_a_stall_stays_until_the_listing_works() -> None:
    stalled = BEGUN.discovering().stalled(STALL, planned=False)

    assert (stalled.phase, stalled.discovering().stall) == (Phase.PENDING, STALL)
    assert stalled.scanning().stall is None
    assert stalled.scanning().stalled(STALL, planned=True).phase is Phase.SCANNING


def test_a_run_that_stalls_again_has_got_as_far_as_before() -> None:
    stalled = replace(BEGUN, tally=Tally(total=4, completed=2)).stalled(STALL, planned=False)

    assert stalled.phase is Phase.SCANNING


def test_a_new_run_knows_nothing_of_the_old_ones_trouble() -> None:
    begun = BEGUN.stalled(STALL, planned=False).begun(Handled(fakes.run("r2")))

    assert (begun.stall, begun.stalls, begun.tally, begun.engaged) == (None, 0, None, "r2")


def test_a_clock_that_was_set_back_makes_no_run_shorter_than_nothing() -> None:
    ended = BEGUN.ended(Phase.COMPLETED, "", EPOCH - timedelta(hours=1))

    assert ended.run.duration == timedelta(0)
    assert ended.engaged is None


TALLY = Tally(total=10, completed=7, failed_by_reason={"Timeout": 3})
ENDED = replace(BEGUN, tally=TALLY).ended(Phase.COMPLETED_WITH_FAILURES, "So it is.", EPOCH)


def test_a_held_run_that_is_let_go_is_as_it_ended() -> None:
    held = ENDED.held()

    assert held.phase is Phase.SUSPENDED
    assert held.at_rest() == replace(ENDED, resting=True)


@pytest.mark.parametrize(
    ("max_failed_percent", "phase"), [(30, Phase.COMPLETED_WITH_FAILURES), (29, Phase.FAILED)]
)
def test_the_counts_tell_how_a_suspended_run_ended(max_failed_percent: int, phase: Phase) -> None:
    """A process that starts now reads the phase Suspended, and computes the end from the counts."""
    status = render(ENDED.held(), None, ScanStatus(), EPOCH, generation=1)
    spec = ScanSpec(max_failed_percent=max_failed_percent)
    found = ScanState.from_status(status, spec)

    assert (found.phase, found.at_rest().phase) == (Phase.SUSPENDED, phase)
    assert found.conclusion == sentences.conclusion(phase, TALLY, Budget())


@pytest.mark.parametrize("phase", [None, Phase.SCANNING])
def test_a_run_that_is_over_is_not_at_work_whatever_somebody_wrote(phase: Phase | None) -> None:
    status = render(ENDED, None, ScanStatus(), EPOCH, generation=1)
    forged = status.model_copy(update={"phase": phase})

    assert ScanState.from_status(forged, ScanSpec()).phase is Phase.COMPLETED_WITH_FAILURES


def test_what_is_kept_of_a_run() -> None:
    begun = ENDED.held().begun(Handled(fakes.run("r2")))

    assert begun.last_run == FinishedRun(
        id="r1",
        phase=Phase.COMPLETED_WITH_FAILURES,
        start_time=EPOCH,
        completion_time=EPOCH,
        summary="10/10",
        failed=3,
    )
    # A run that was interrupted has not ended: what was kept stays.
    assert begun.begun(Handled(fakes.run("r3"))).last_run == begun.last_run


@pytest.mark.parametrize("gap", [{"tally": None}, {"handled": Handled()}])
def test_nothing_is_kept_of_a_run_without_counts(gap: dict[str, Any]) -> None:
    assert replace(ENDED, **gap).finished_run is None
