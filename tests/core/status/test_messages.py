"""The sentence that status.message says."""

import pytest

from capscan.core.conditions import Stall
from capscan.core.pace import Pace
from capscan.core.run.plan import ScanPlan
from capscan.core.run.progress import Tally, start
from capscan.core.status.rendering import render
from capscan.model import Phase, ScanStatus
from tests.core.status.rendered import FAILURES, HALF_WAY, OVER, shown, state_in
from tests.virtual import EPOCH

ONE_FAILED = (
    "1 CRD: 1 failed (Timeout 1). status.failedItems names it; a new value in spec.rescan tries it "
    "again."
)


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
def test_each_phase_has_its_message(phase: Phase, tally: Tally | None, message: str) -> None:
    assert shown(phase, tally).message == message


def test_a_selector_that_matches_nothing_is_told_how_to_match_something() -> None:
    status = shown(Phase.COMPLETED, start(ScanPlan(listed=31)))

    assert status.message is not None
    assert status.message.startswith("0 of 31 CRDs match the selector")
    assert "kubectl get crds" in status.message


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


def test_the_message_of_a_stall_is_the_message_of_the_scan() -> None:
    status = shown(Phase.SCANNING, HALF_WAY, at={"stall": Stall("MissingPermission", "add a rule")})

    assert status.message == "add a rule"
    assert status.eta is None
    assert status.in_flight is None


def test_a_long_message_of_a_stall_is_shortened() -> None:
    """Its message may come from an exception that nobody foresaw; the API has a limit."""
    status = shown(Phase.PENDING, at={"stall": Stall("InternalError", "word " * 1000)})

    assert status.message is not None
    assert 900 < len(status.message) <= 1024


def test_a_finished_scan_whose_next_run_is_held_back_is_not_said_to_have_stopped() -> None:
    """Suspended with 41/41 settled would read as if something of it were left to do."""
    tally = Tally(total=41, completed=41)
    over = state_in(Phase.COMPLETED, tally, **OVER)
    status = render(over.held(), None, ScanStatus(), EPOCH, generation=2)

    assert status.phase is Phase.SUSPENDED
    assert status.message == (
        "Suspended; the next run waits for spec.suspend: false. The last one: 41 CRDs: 41 analysed."
    )


def test_the_message_names_who_stands_in_for_a_provider() -> None:
    """It is named where the run waits for it too; status.provider stays the one that was asked
    for.
    """
    asking = shown(Phase.SCANNING, HALF_WAY, provider="claude", pace=Pace(stand_in="spare"))
    pace = Pace(stand_in="spare", obstacle="It asked to wait.")
    waiting = shown(Phase.SCANNING, HALF_WAY, provider="claude", pace=pace)

    assert asking.message == (
        "Analysing CRDs: 10 of 20 settled. Asking spare while claude is away."
    )
    assert waiting.message == "Waiting for spare: 10/20 settled. It asked to wait."
    assert (asking.provider, waiting.provider) == ("claude", "claude")


def test_the_message_names_a_provider_that_lets_nothing_through() -> None:
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
