"""What a run counts over a restart: nothing that a user saw falls."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.run.events import (
    CrdFailed,
    CrdScanned,
    CrdSkipped,
    CrdStarted,
    CrdUnchanged,
    ScanEvent,
)
from capscan.core.run.plan import PlannedItem, ScanPlan
from capscan.core.run.progress import Tally, fold, progress, reported, start
from capscan.model import Progress, RunUsage, Usage
from tests.core.run.counting import REASONS, consistent, folded, never_falls, pending, scanned
from tests.fakes import failed_item, name_of, ref


@dataclass
class Cluster:
    """What the store and the CRDs hold between two processes."""

    waiting: list[str]
    settled: dict[str, str] = field(default_factory=dict)

    def plan(self) -> ScanPlan:
        states = list(self.settled.values())
        return ScanPlan(
            listed=99,
            pending=tuple(PlannedItem(ref(name), "key") for name in sorted(self.waiting)),
            completed=states.count("completed"),
            unchanged=states.count("unchanged"),
            failed={name: s for name, s in self.settled.items() if s in REASONS},
        )


@given(st.data())
def test_nothing_a_user_saw_falls_over_any_number_of_restarts(data: st.DataObject) -> None:
    """CRDs come, go and change between the processes, results are lost and taken back."""
    cluster = Cluster([name_of(n) for n in range(data.draw(st.integers(0, 6)))])
    shown: Progress | None = None
    for process in range(data.draw(st.integers(1, 4))):
        before = reported(shown)
        tally = start(cluster.plan(), before)
        assert before is None or never_falls(progress(before), progress(tally))
        for name in data.draw(st.permutations(cluster.waiting)):
            tally = fold(tally, CrdStarted(name, 0.0))
            assert_goes_on(shown, tally)
            shown = progress(tally)
            if data.draw(st.booleans(), label="dies"):
                break
            state = data.draw(st.sampled_from(["completed", "unchanged", "skipped", *REASONS]))
            tally = fold(tally, settled_as(name, state))
            assert_goes_on(shown, tally)
            shown = progress(tally)
            cluster.waiting.remove(name)
            if state != "skipped":
                cluster.settled[name] = state
        else:
            shown = progress(tally)
            assert shown.settled == shown.total
        for name in data.draw(st.sets(st.sampled_from(sorted(cluster.settled) or ["-"]))):
            if cluster.settled.pop(name, None) and data.draw(st.booleans(), label="asked again"):
                cluster.waiting.append(name)
        cluster.waiting += [f"new{process}-{n}" for n in range(data.draw(st.integers(0, 2)))]


def assert_goes_on(shown: Progress | None, tally: Tally) -> None:
    after = progress(tally)
    assert consistent(after)
    assert shown is None or never_falls(shown, after)


def settled_as(name: str, state: str) -> ScanEvent:
    match state:
        case "completed":
            return CrdScanned(name)
        case "unchanged":
            return CrdUnchanged(name)
        case "skipped":
            return CrdSkipped(name)
    return CrdFailed(failed_item(name, state))


SHOWN = Progress(
    total=10, completed=4, unchanged=1, failed=1, failed_by_reason={"Timeout": 1}, summary="6/10"
)


def test_a_restart_begins_with_what_was_shown() -> None:
    plan = ScanPlan(10, pending(4), completed=4, unchanged=1, failed={"x": "Timeout"})
    tally = start(plan, reported(SHOWN))

    assert progress(tally) == SHOWN.model_copy(update={"percent": 60})
    assert tally.asked == 0


def test_what_was_stored_and_not_reported_counts_after_a_restart() -> None:
    plan = ScanPlan(10, pending(2), completed=6, unchanged=1, failed={"x": "Timeout"})

    assert progress(start(plan, reported(SHOWN))).completed == 6


def test_crds_that_vanished_between_two_processes_are_skipped() -> None:
    plan = ScanPlan(7, pending(1), completed=4, unchanged=1, failed={"x": "Timeout"})
    shown = progress(start(plan, reported(SHOWN)))

    assert (shown.skipped, shown.total, shown.summary) == (3, 10, "9/10")


def test_skipped_crds_stay_skipped_over_a_restart() -> None:
    shown = SHOWN.model_copy(update={"skipped": 2})
    plan = ScanPlan(8, pending(2), completed=4, unchanged=1, failed={"x": "Timeout"})

    assert progress(start(plan, reported(shown))).skipped == 2


def test_crds_that_came_between_two_processes_add_to_the_total() -> None:
    plan = ScanPlan(12, pending(6), completed=4, unchanged=1, failed={"x": "Timeout"})

    assert progress(start(plan, reported(SHOWN))).total == 12


def test_a_completed_crd_that_is_asked_again_is_not_counted_twice() -> None:
    """Its Capability was deleted by hand between two processes."""
    plan = ScanPlan(10, pending(5), completed=3, unchanged=1, failed={"x": "Timeout"})
    tally = start(plan, reported(SHOWN))

    assert progress(tally).summary == "6/10"
    assert progress(folded(tally, scanned(*(name_of(n) for n in range(5))))).summary == "10/10"


def test_what_failed_and_was_not_stored_stays_failed_under_its_reason() -> None:
    plan = ScanPlan(10, pending(5), completed=4, unchanged=1)
    tally = start(plan, reported(SHOWN))

    assert progress(tally).failed_by_reason == {"Timeout": 1}
    assert consistent(progress(folded(tally, scanned(*(name_of(n) for n in range(5))))))


def test_nothing_was_reported_where_a_run_got_to_no_counts() -> None:
    assert reported(None) is None


@pytest.mark.parametrize("cost", ["a lot", "NaN", "Infinity"])
def test_a_cost_that_somebody_else_wrote_is_none(cost: str) -> None:
    """A budget could not be compared with such a cost."""
    tally = reported(SHOWN, usage=RunUsage(requests=2, cost=cost))

    assert tally is not None
    assert tally.usage == Usage(requests=2)


def test_reported_failures_are_kept_until_the_plan_is_there() -> None:
    tally = reported(SHOWN, [failed_item()])

    assert tally is not None
    assert progress(tally).failed == 1
    assert [item.name for item in tally.failed_items] == [failed_item().name]
