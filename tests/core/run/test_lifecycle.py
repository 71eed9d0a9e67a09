"""What a scan should be doing, from its newest spec and from what was handled."""

from typing import Any

import pytest

from capscan.core.run.lifecycle import (
    Continue,
    Handled,
    Hold,
    Intent,
    Rest,
    Start,
    asking,
    asks_otherwise,
    begin,
    decide,
    due,
    is_obeyed,
)
from capscan.core.run.plan import inputs_hash
from capscan.core.run.timetable import Timetable
from capscan.model import Phase, Run, ScanSpec, ScanStatus, Trigger
from capscan.model.scan_status import REQUESTED_AT
from tests import fakes
from tests.virtual import EPOCH


def run(**changes: Any) -> Run:
    """Return a run of the default spec."""
    return fakes.run(**{"inputs_hash": inputs_hash(ScanSpec()), **changes})


UNFINISHED = Handled(run())
FINISHED = Handled(run(completion_time=EPOCH))
LATE = Handled(run(completion_time=EPOCH), timetable=Timetable("0 3 * * * ", EPOCH))
OTHERWISE = {"selector": {"include": ["a*"]}}


@pytest.mark.parametrize(
    ("spec", "handled", "intent"),
    [
        pytest.param({}, Handled(), Start(Trigger.CREATED), id="created"),
        pytest.param({}, UNFINISHED, Continue(run()), id="unfinished"),
        pytest.param({}, FINISHED, Rest(), id="finished"),
        pytest.param(OTHERWISE, UNFINISHED, Start(Trigger.SPEC_CHANGED), id="edited in mid-run"),
        pytest.param(OTHERWISE, FINISHED, Start(Trigger.SPEC_CHANGED), id="edited at rest"),
        pytest.param({"refresh": "Always"}, FINISHED, Start(Trigger.SPEC_CHANGED), id="refresh"),
        pytest.param({"parallelism": 2}, UNFINISHED, Continue(run()), id="parallelism"),
        pytest.param({"parallelism": 2}, FINISHED, Rest(), id="parallelism at rest"),
        pytest.param({"rescan": "a"}, FINISHED, Start(Trigger.RESCAN), id="rescan"),
        pytest.param({"rescan": "a"}, UNFINISHED, Start(Trigger.RESCAN), id="rescan in mid-run"),
        pytest.param({"suspend": True}, Handled(), Hold(), id="created suspended"),
        pytest.param({"suspend": True}, UNFINISHED, Hold(), id="suspended in mid-run"),
        pytest.param({"suspend": True}, FINISHED, Rest(), id="suspended with nothing to do"),
        pytest.param({"suspend": True}, LATE, Rest(), id="suspended when a time has come"),
        pytest.param(
            {"schedule": "0 3 * * *"}, LATE, Start(Trigger.SCHEDULED), id="a time has come"
        ),
        pytest.param({"suspend": True, "rescan": "a"}, FINISHED, Hold(), id="suspend and rescan"),
        pytest.param({"suspend": True} | OTHERWISE, FINISHED, Hold(), id="suspend and edit"),
    ],
)
def test_the_decision_follows_from_spec_and_status(
    spec: dict[str, Any], handled: Handled, intent: Intent
) -> None:
    assert decide(fakes.scan(spec), handled, EPOCH) == intent


@pytest.mark.parametrize(
    ("spec", "handled", "phase", "obeyed"),
    [
        pytest.param({}, Handled(), Phase.PENDING, False, id="created"),
        pytest.param({}, UNFINISHED, Phase.SCANNING, True, id="at work"),
        pytest.param({}, FINISHED, Phase.COMPLETED, True, id="at rest"),
        pytest.param({"parallelism": 2}, FINISHED, Phase.COMPLETED, True, id="asks the same"),
        pytest.param(OTHERWISE, UNFINISHED, Phase.SCANNING, False, id="edited in mid-run"),
        pytest.param(OTHERWISE, FINISHED, Phase.COMPLETED, False, id="edited at rest"),
        pytest.param({"suspend": True}, UNFINISHED, Phase.SCANNING, False, id="to be suspended"),
        pytest.param({"suspend": True}, UNFINISHED, Phase.SUSPENDED, True, id="suspended"),
    ],
)
def test_a_spec_is_obeyed_once_what_goes_on_is_what_it_wants(
    spec: dict[str, Any], handled: Handled, phase: Phase, obeyed: bool
) -> None:
    assert is_obeyed(fakes.scan(spec), handled, phase) is obeyed


@pytest.mark.parametrize(
    ("rescan", "handled", "trigger"),
    [
        ("a", None, Trigger.RESCAN),
        ("b", "a", Trigger.RESCAN),
        ("a", "a", None),
        ("", "a", None),
        ("", None, None),
    ],
)
def test_only_a_new_value_rescans(
    rescan: str, handled: str | None, trigger: Trigger | None
) -> None:
    """Clearing it starts nothing: Git tools revert, and a revert must cost nothing."""
    before = Handled(FINISHED.run, rescan=handled)

    assert due(fakes.scan({"rescan": rescan}), before) is trigger


@pytest.mark.parametrize(
    ("requested_at", "handled", "trigger"),
    [
        ("10:00", None, Trigger.RESCAN),
        ("11:00", "10:00", Trigger.RESCAN),
        ("10:00", "10:00", None),
        ("", "10:00", None),
        (None, "10:00", None),
    ],
)
def test_only_a_new_annotation_rescans(
    requested_at: str | None, handled: str | None, trigger: Trigger | None
) -> None:
    notes = {} if requested_at is None else {REQUESTED_AT: requested_at}
    before = Handled(FINISHED.run, requested_at=handled)

    assert due(fakes.scan(annotations=notes), before) is trigger


def begun(spec: dict[str, Any], handled: Handled, **scan: Any) -> Handled:
    """Return what is handled once the run that is due has begun."""
    seen = fakes.scan(spec, **scan)
    trigger = due(seen, handled)
    assert trigger is not None
    return begin(seen, handled, trigger, token="new", owner="me", now=EPOCH)


@pytest.mark.parametrize(
    ("spec", "before"),
    [
        ({}, Handled()),
        (OTHERWISE, FINISHED),
        (OTHERWISE, UNFINISHED),
        ({"rescan": "a"}, UNFINISHED),
        ({"rescan": "b"} | OTHERWISE, Handled(FINISHED.run, rescan="a")),
    ],
)
def test_a_run_that_has_begun_is_not_due_again(spec: dict[str, Any], before: Handled) -> None:
    after = begun(spec, before)

    assert isinstance(decide(fakes.scan(spec), after, EPOCH), Continue)


def test_a_value_that_is_taken_back_does_not_rescan_when_it_returns() -> None:
    """GitOps: an edit on the cluster is reverted, then merged in Git."""
    first = begun({"rescan": "a"}, FINISHED)
    done = Handled(run(completion_time=EPOCH), first.rescan, first.requested_at)

    assert due(fakes.scan({"rescan": ""}), done) is None
    assert due(fakes.scan({"rescan": "a"}), done) is None


def test_a_value_stays_handled_through_runs_that_have_none() -> None:
    handled = Handled(run(completion_time=EPOCH), rescan="a", requested_at="10:00")
    after = begun(OTHERWISE, handled)

    assert (after.rescan, after.requested_at) == ("a", "10:00")


def test_suspend_and_rescan_in_one_edit_rescans_when_it_is_resumed() -> None:
    both = fakes.scan({"suspend": True, "rescan": "a"})

    assert decide(both, FINISHED, EPOCH) == Hold()
    assert decide(fakes.scan({"rescan": "a"}), FINISHED, EPOCH) == Start(Trigger.RESCAN)


def test_one_run_handles_all_that_is_new() -> None:
    """An edit that changes the selector, the rescan value and the annotation starts one run."""
    spec = OTHERWISE | {"rescan": "a"}
    after = begun(spec, FINISHED, annotations={REQUESTED_AT: "10:00"})

    assert after.run is not None
    assert after.run.trigger is Trigger.RESCAN
    assert (after.rescan, after.requested_at) == ("a", "10:00")
    assert due(fakes.scan(spec, annotations={REQUESTED_AT: "10:00"}), after) is None


@pytest.mark.parametrize(
    ("before", "spec", "run_id"),
    [
        pytest.param(Handled(), {}, "new", id="created"),
        pytest.param(FINISHED, OTHERWISE, "new", id="edited at rest"),
        pytest.param(UNFINISHED, OTHERWISE, "r1-new", id="edited in mid-run"),
        pytest.param(UNFINISHED, {"rescan": "a"}, "new", id="rescan in mid-run"),
        pytest.param(Handled(run(id="r1-r2")), OTHERWISE, "r1-new", id="edited twice"),
        pytest.param(UNFINISHED, OTHERWISE | {"rescan": "a"}, "new", id="edited and rescanned"),
    ],
)
def test_an_edit_in_mid_run_makes_a_run_of_the_same_lineage(
    before: Handled, spec: dict[str, Any], run_id: str
) -> None:
    after = begun(spec, before)

    assert after.run is not None
    assert after.run.id == run_id


def test_a_new_run_says_why_and_by_whom_it_was_started() -> None:
    after = begun({}, Handled())

    assert after.run == run(id="new", owner="me")
    assert after.run is not None
    assert (after.run.resumed, after.run.completion_time) == (0, None)


def test_what_was_handled_is_read_from_the_status() -> None:
    status = ScanStatus(run=run(), last_handled_rescan="a", last_handled_requested_at="10:00")

    assert Handled.from_status(status) == Handled(run(), "a", "10:00")


@pytest.mark.parametrize(
    ("change", "asks"),
    [
        ({}, False),
        ({"status": {"phase": "Scanning"}, "version": 9}, False),
        ({"annotations": {"team": "db"}}, False),
        ({"annotations": {REQUESTED_AT: "10:00"}}, True),
        ({"spec": {"parallelism": 2}}, True),
        ({"spec": {"parallelism": 10}}, False),
    ],
)
def test_an_edit_of_a_user_is_told_from_a_write_of_the_status(
    change: dict[str, Any], *, asks: bool
) -> None:
    assert asks_otherwise(fakes.scan(), fakes.scan(**change)) is asks


@pytest.mark.parametrize(
    ("trigger", "handled", "same"),
    [
        (Trigger.SPEC_CHANGED, UNFINISHED, True),
        (Trigger.SPEC_CHANGED, FINISHED, False),
        (Trigger.RESCAN, UNFINISHED, False),
        (Trigger.FOLLOW, FINISHED, False),
    ],
)
def test_only_a_run_that_an_edit_made_of_another_asks_as_that_one(
    trigger: Trigger, handled: Handled, same: bool
) -> None:
    """Where a provider lets a scan begin to ask once in a while, every other run waits."""
    after = begin(fakes.scan({}), handled, trigger, token="t2", owner="me", now=EPOCH)

    assert handled.run
    assert after.run
    assert (asking(after.run) == asking(handled.run)) == same
