"""Conditions, as kstatus, kubectl wait and GitOps tools read them."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.conditions import FOREIGN_MAX, ScanFacts, Stall, beside, conditions
from capscan.model import Condition, Phase
from tests.virtual import EPOCH

LATER = EPOCH + timedelta(minutes=1)
STALL = Stall("MissingPermission", "add a rule")


def by_type(
    phase: Phase,
    stall: Stall | None = None,
    previous: list[Condition] | None = None,
    *,
    generation: int = 1,
    now: datetime = EPOCH,
) -> dict[str, Condition]:
    facts = ScanFacts(phase, "so it is", stall)
    found = conditions(facts, generation=generation, previous=previous or [], now=now)
    return {condition.type: condition for condition in found}


def holding(found: dict[str, Condition]) -> set[str]:
    return {type_ for type_, condition in found.items() if condition.status == "True"}


@pytest.mark.parametrize(
    ("phase", "stall", "true"),
    [
        (Phase.PENDING, None, {"Reconciling"}),
        (Phase.DISCOVERING, None, {"Reconciling"}),
        (Phase.SCANNING, None, {"Reconciling"}),
        (Phase.SUSPENDED, None, set()),
        (Phase.COMPLETED, None, {"Ready", "Complete"}),
        (Phase.COMPLETED_WITH_FAILURES, None, {"Ready", "Complete"}),
        (Phase.FAILED, None, {"Stalled", "Failed"}),
        (Phase.PENDING, STALL, {"Stalled"}),
        (Phase.SCANNING, STALL, {"Stalled"}),
    ],
)
def test_each_phase_has_its_conditions(phase: Phase, stall: Stall | None, true: set[str]) -> None:
    found = by_type(phase, stall)

    assert list(found) == ["Accepted", "Reconciling", "Stalled", "Ready", "Complete", "Failed"]
    assert holding(found) == true | {"Accepted"}
    assert {condition.status for condition in found.values()} <= {"True", "False"}


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        (Phase.COMPLETED, "AllSettled"),
        (Phase.COMPLETED_WITH_FAILURES, "SomeItemsFailed"),
        (Phase.FAILED, "TooManyItemsFailed"),
        (Phase.SCANNING, "Scanning"),
    ],
)
def test_each_end_of_a_run_has_its_reason(phase: Phase, reason: str) -> None:
    found = by_type(phase)

    assert {found[type_].reason for type_ in ("Ready", "Complete", "Failed")} == {reason}


def test_a_stall_says_what_would_mend_it() -> None:
    stalled = by_type(Phase.SCANNING, STALL)["Stalled"]

    assert (stalled.reason, stalled.message) == ("MissingPermission", "so it is")


@pytest.mark.parametrize(
    ("phase", "stall", "speaking"),
    [
        (Phase.SCANNING, None, {"Accepted", "Reconciling", "Ready"}),
        (Phase.SCANNING, STALL, {"Accepted", "Stalled", "Ready"}),
        (Phase.COMPLETED, None, {"Accepted", "Ready", "Complete"}),
        (Phase.FAILED, None, {"Accepted", "Stalled", "Ready", "Failed"}),
    ],
)
def test_a_condition_that_does_not_hold_has_no_message(
    phase: Phase, stall: Stall | None, speaking: set[str]
) -> None:
    """Ready alone says why it does not hold; otherwise `kubectl describe` would repeat the
    messages.
    """
    found = by_type(phase, stall)

    assert {type_ for type_, condition in found.items() if condition.message} == speaking


PHASES = st.sampled_from(Phase)
STALLS = st.sampled_from([None, STALL])


@given(st.lists(st.tuples(PHASES, STALLS, st.integers(1, 3)), min_size=1, max_size=8))
def test_the_rules_of_kstatus_hold_after_every_history(
    history: list[tuple[Phase, Stall | None, int]],
) -> None:
    """Stalled and Reconciling are never both True, and no wait for Complete ends by an older
    generation.
    """
    previous: list[Condition] = []
    for phase, stall, generation in history:
        found = by_type(phase, stall, previous, generation=generation)
        true = holding(found)
        previous = list(found.values())

        assert not {"Stalled", "Reconciling"} <= true
        assert not {"Failed", "Complete"} <= true
        assert {c.observed_generation for c in previous if c.type != "Ready"} == {generation}
        assert all(c.reason for c in previous)


def test_a_transition_time_moves_only_when_the_status_changes() -> None:
    before = list(by_type(Phase.DISCOVERING).values())
    same = by_type(Phase.SCANNING, previous=before, now=LATER)
    after = by_type(Phase.COMPLETED, previous=before, now=LATER)

    assert {c.last_transition_time for c in same.values()} == {EPOCH}
    assert same["Reconciling"].reason == "Scanning"
    moved = {type_ for type_, c in after.items() if c.last_transition_time == LATER}
    assert moved == {"Reconciling", "Ready", "Complete"}


@pytest.mark.parametrize(
    ("phase", "stall"),
    [(Phase.DISCOVERING, None), (Phase.SCANNING, None), (Phase.SCANNING, STALL)],
)
def test_a_new_run_leaves_ready_with_its_old_generation(phase: Phase, stall: Stall | None) -> None:
    """The last answer still holds, and whoever waits for the new one can tell."""
    before = by_type(Phase.COMPLETED, generation=1)
    during = by_type(phase, stall, list(before.values()), generation=2, now=LATER)

    assert during["Ready"] == before["Ready"]
    assert during["Complete"].status == "False"
    assert during["Complete"].observed_generation == 2


def test_a_run_that_is_suspended_is_not_ready_by_an_older_one() -> None:
    """Nothing else tells kstatus that the newest spec is not done."""
    before = by_type(Phase.COMPLETED, generation=1)
    held = by_type(Phase.SUSPENDED, previous=list(before.values()), generation=2, now=LATER)

    assert held["Ready"].status == "False"
    assert held["Ready"].reason == "Suspended"
    assert held["Ready"].last_transition_time == LATER


def test_the_end_of_a_run_renews_ready() -> None:
    before = by_type(Phase.COMPLETED, generation=1)
    after = by_type(Phase.COMPLETED, previous=list(before.values()), generation=2, now=LATER)

    assert after["Ready"].observed_generation == 2
    assert after["Ready"].last_transition_time == EPOCH


def test_a_failed_run_takes_ready_away() -> None:
    before = by_type(Phase.COMPLETED)

    assert by_type(Phase.FAILED, previous=list(before.values()))["Ready"].status == "False"


def test_a_scan_that_was_never_ready_is_not_ready_while_it_works() -> None:
    before = by_type(Phase.DISCOVERING, generation=1)
    during = by_type(Phase.SCANNING, previous=list(before.values()), generation=2)

    assert during["Ready"].status == "False"
    assert during["Ready"].observed_generation == 2


def test_conditions_of_other_controllers_stay_beside_ours() -> None:
    """Only so many of them are kept, and none takes the place of one of ours."""
    ours = list(by_type(Phase.SCANNING).values())
    theirs = [ours[0].model_copy(update={"type": f"Policy{n:02}"}) for n in range(FOREIGN_MAX + 1)]
    forged = ours[3].model_copy(update={"status": "True"})

    held = beside([*ours, theirs[0]], [forged, *theirs])

    assert held == ours + theirs[:FOREIGN_MAX]
