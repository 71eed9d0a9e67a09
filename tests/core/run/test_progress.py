"""Counting: what every order of events adds up to, and what a restart must not lose."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.run.events import (
    CrdFailed,
    CrdReleased,
    CrdScanned,
    CrdSkipped,
    CrdStarted,
    CrdUnchanged,
    Ending,
    ScanEvent,
)
from capscan.core.run.plan import PlannedItem, ScanPlan
from capscan.core.run.progress import (
    Tally,
    final_phase,
    fold,
    progress,
    rate_per_s,
    reported,
    start,
    too_many_failed,
)
from capscan.model import Phase, Progress, RunUsage, Usage
from tests.fakes import failed_item, name_of, ref

REASONS = ["Timeout", "RequestRejected", "InternalError"]


def pending(count: int, first: int = 0) -> tuple[PlannedItem, ...]:
    return tuple(PlannedItem(ref(name_of(n)), "key") for n in range(first, first + count))


def folded(tally: Tally, events: Iterable[ScanEvent]) -> Tally:
    for event in events:
        tally = fold(tally, event)
    return tally


def scanned(*names: str) -> Iterable[ScanEvent]:
    for name in names:
        yield CrdStarted(name, 0.0)
        yield CrdScanned(name)


def failures(count: int, reason: str = "Timeout") -> Iterable[ScanEvent]:
    for n in range(count):
        yield CrdStarted(name_of(n), 0.0)
        yield CrdFailed(failed_item(name_of(n), reason))


@st.composite
def sessions(draw: st.DrawFn) -> tuple[ScanPlan, list[ScanEvent]]:
    """A plan, and what an engine may report while it works on it."""
    plan = ScanPlan(
        listed=50,
        pending=pending(draw(st.integers(0, 12))),
        completed=draw(st.integers(0, 5)),
        unchanged=draw(st.integers(0, 5)),
        failed={
            f"failed{n}": draw(st.sampled_from(REASONS)) for n in range(draw(st.integers(0, 3)))
        },
    )
    waiting = [item.ref.name for item in plan.pending]
    running: list[str] = []
    events: list[ScanEvent] = []
    for _ in range(draw(st.integers(0, 2 * len(waiting)))):
        if running and (not waiting or draw(st.booleans())):
            name = running.pop(draw(st.integers(0, len(running) - 1)))
            events.append(CrdReleased(name, 1.0, ending=Ending.ANSWERED))
            events += draw(outcomes(name))
        elif waiting:
            running.append(waiting.pop(0))
            events.append(CrdStarted(running[-1], 0.0))
    return plan, events


def outcomes(name: str) -> st.SearchStrategy[list[ScanEvent]]:
    """What became of it: one event, or none where it was interrupted."""
    return st.one_of(
        st.just([]),
        st.just([CrdScanned(name)]),
        st.just([CrdUnchanged(name)]),
        st.just([CrdSkipped(name)]),
        st.builds(lambda reason: [CrdFailed(failed_item(name, reason))], st.sampled_from(REASONS)),
    )


def consistent(shown: Progress) -> bool:
    """What must hold of every status that a user may see."""
    return (
        shown.settled + shown.in_flight <= shown.total
        and sum(shown.failed_by_reason.values()) == shown.failed
        and shown.summary == f"{shown.settled}/{shown.total}"
        and 0 <= shown.percent <= 100
        and (shown.percent == 100) is (shown.settled == shown.total)
    )


def never_falls(before: Progress, after: Progress) -> bool:
    counts = ("total", "completed", "unchanged", "failed", "skipped")
    return all(getattr(before, name) <= getattr(after, name) for name in counts)


@given(sessions())
def test_counts_add_up_after_every_event(session: tuple[ScanPlan, list[ScanEvent]]) -> None:
    plan, events = session
    tally = start(plan)
    before = progress(tally)
    for event in events:
        tally = fold(tally, event)
        after = progress(tally)

        assert consistent(after)
        assert never_falls(before, after)
        assert after.total == plan.total
        before = after


@given(sessions())
def test_what_is_in_flight_is_what_started_and_has_not_ended(
    session: tuple[ScanPlan, list[ScanEvent]],
) -> None:
    plan, events = session
    started = [event.name for event in events if isinstance(event, CrdStarted)]
    ended = {event.name for event in events if isinstance(event, CrdReleased)}

    shown = [*folded(start(plan), events).in_flight]
    assert shown == [name for name in started if name not in ended]


def test_a_released_item_is_pending_again() -> None:
    tally = folded(
        start(ScanPlan(1, pending(1))),
        [CrdStarted(name_of(0), 0.0), CrdReleased(name_of(0), 1.0, ending=Ending.INTERRUPTED)],
    )

    assert (tally.remaining, tally.settled, tally.asked) == (1, 0, 0)


def test_only_the_first_fifty_failures_are_kept() -> None:
    tally = folded(start(ScanPlan(60, pending(60))), failures(60))

    assert [item.name for item in tally.failed_items] == [name_of(n) for n in range(50)]
    assert tally.failed == progress(tally).failed == 60


def test_no_more_than_fifty_failures_are_taken_over() -> None:
    plan = ScanPlan(60, failed={name_of(n): "Timeout" for n in range(60)})
    items = [failed_item(name_of(n)) for n in range(60)]

    assert len(start(plan, failed_items=items).failed_items) == 50


# -- the same run in a new process


@dataclass
class Cluster:
    """What the store and the CRDs say between two processes."""

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
            outcome = data.draw(st.sampled_from(["completed", "unchanged", "skipped", *REASONS]))
            tally = fold(tally, closing(name, outcome))
            assert_goes_on(shown, tally)
            shown = progress(tally)
            cluster.waiting.remove(name)
            if outcome != "skipped":
                cluster.settled[name] = outcome
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


def closing(name: str, outcome: str) -> ScanEvent:
    match outcome:
        case "completed":
            return CrdScanned(name)
        case "unchanged":
            return CrdUnchanged(name)
        case "skipped":
            return CrdSkipped(name)
    return CrdFailed(failed_item(name, outcome))


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
    """No budget could be compared with it."""
    tally = reported(SHOWN, usage=RunUsage(requests=2, cost=cost))

    assert tally is not None
    assert tally.usage == Usage(requests=2)


def test_reported_failures_are_kept_until_the_plan_is_there() -> None:
    tally = reported(SHOWN, [failed_item()])

    assert tally is not None
    assert progress(tally).failed == 1
    assert [item.name for item in tally.failed_items] == [failed_item().name]


# -- when to stop, and when it will end

ONCE = {"Timeout": 1}


@pytest.mark.parametrize(
    ("failed", "total", "percent", "too_many"),
    [
        (0, 0, 0, False),
        (0, 10, 0, False),
        (1, 10, 0, True),
        (1, 10, 10, False),
        (2, 10, 10, True),
        (10, 10, 100, False),
        (1, 3, 33, True),
        (1, 3, 34, False),
    ],
)
def test_failures_are_judged_by_the_total(
    failed: int, total: int, percent: int, *, too_many: bool
) -> None:
    """Of all items, not of those done so far: the first failure is not 100 %."""
    tally = Tally(total=total, failed_by_reason={"Timeout": failed})

    assert too_many_failed(tally, percent) is too_many


@pytest.mark.parametrize(
    ("tally", "phase"),
    [
        (Tally(total=2), Phase.COMPLETED),
        (Tally(total=2, completed=1, failed_by_reason=ONCE), Phase.COMPLETED_WITH_FAILURES),
        (Tally(total=2, unchanged=1, failed_by_reason=ONCE), Phase.COMPLETED_WITH_FAILURES),
        (Tally(total=2, skipped=1, failed_by_reason=ONCE), Phase.FAILED),
        (Tally(total=1, failed_by_reason=ONCE), Phase.FAILED),
    ],
)
def test_a_run_with_nothing_but_failures_has_failed(tally: Tally, phase: Phase) -> None:
    """Also where all may fail: whoever waits for it would take it for done."""
    assert final_phase(tally, 100) is phase


def test_four_items_make_no_rate() -> None:
    tally = folded(start(ScanPlan(9, pending(9))), scanned(*(name_of(n) for n in range(4))))

    assert rate_per_s(tally, elapsed_s=4) is None


def test_a_rate_is_items_by_time() -> None:
    tally = folded(start(ScanPlan(9, pending(9))), scanned(*(name_of(n) for n in range(5))))

    assert rate_per_s(tally, elapsed_s=10) == 0.5


def test_no_time_gives_no_rate() -> None:
    assert rate_per_s(replace(Tally(), asked=5), elapsed_s=0) is None


def test_a_run_without_items_is_done() -> None:
    assert progress(start(ScanPlan(3))).percent == 100


@pytest.mark.parametrize(
    ("ending", "answered", "in_vain"),
    [
        (Ending.ANSWERED, 1, 0),
        (Ending.FAILED, 0, 1),
        (Ending.REFUSED, 0, 0),
        (Ending.INTERRUPTED, 0, 0),
    ],
)
def test_only_requests_that_the_provider_worked_on_are_timed(
    ending: Ending, answered: int, in_vain: int
) -> None:
    """All of them are paid for."""
    spent = Usage(1, 100, 0, 10)
    tally = folded(Tally(total=1), [CrdStarted("a", 0.0), CrdReleased("a", 2.0, ending, spent)])

    assert (tally.latencies.count, tally.in_vain.count) == (answered, in_vain)
    assert tally.usage == spent
