"""The steps from one standing of a scan to the next."""

from dataclasses import replace
from datetime import timedelta

import pytest

from capscan.core.conditions import Stall
from capscan.core.lifecycle import Handled
from capscan.core.progress import Tally
from capscan.core.standing import Standing
from capscan.model import Phase, ScanStatus
from tests import fakes
from tests.virtual import EPOCH

STALL = Stall("MissingPermission", "add a rule")
BEGUN = Standing.from_status(ScanStatus()).begun(Handled(fakes.run()), None)


def test_a_scan_without_a_status_is_pending_and_has_no_run() -> None:
    standing = Standing.from_status(ScanStatus())

    assert (standing.phase, standing.obeyed) == (Phase.PENDING, -1)
    with pytest.raises(RuntimeError, match="no run"):
        _ = standing.run


def test_only_a_run_that_this_process_has_not_begun_is_resumed() -> None:
    inherited = Standing.from_status(ScanStatus(run=fakes.run(owner="old")))

    assert BEGUN.taken_up("me").run.resumed == 0
    taken_up = inherited.taken_up("me").taken_up("me")
    assert (taken_up.run.resumed, taken_up.run.owner) == (1, "me")


def test_a_run_that_was_held_is_resumed() -> None:
    assert BEGUN.held().taken_up("me").run.resumed == 1


def test_a_stall_stays_until_what_it_prevented_works() -> None:
    stalled = BEGUN.discovering().stalled(STALL, planned=False)

    assert (stalled.phase, stalled.discovering().stall) == (Phase.PENDING, STALL)
    assert stalled.scanning().stall is None
    assert stalled.scanning().stalled(STALL, planned=True).phase is Phase.SCANNING


def test_a_run_that_stalls_again_has_got_as_far_as_before() -> None:
    stalled = replace(BEGUN, tally=Tally(total=4, completed=2)).stalled(STALL, planned=False)

    assert stalled.phase is Phase.SCANNING


def test_a_new_run_knows_nothing_of_the_old_ones_trouble() -> None:
    begun = BEGUN.stalled(STALL, planned=False).begun(Handled(fakes.run("r2")), None)

    assert (begun.stall, begun.stalls, begun.tally, begun.engaged) == (None, 0, None, "r2")


def test_a_clock_that_was_set_back_makes_no_run_shorter_than_nothing() -> None:
    ended = BEGUN.ended(Phase.COMPLETED, EPOCH - timedelta(hours=1))

    assert ended.run.duration == timedelta(0)
    assert ended.engaged is None


def test_what_is_let_go_is_what_the_run_had_come_to() -> None:
    held = BEGUN.held()

    assert held.let_go(100).phase is Phase.COMPLETED
    assert held.phase is Phase.SUSPENDED
