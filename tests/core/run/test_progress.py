"""Counting: what every order of events adds up to, and what a restart must not lose."""

from collections.abc import Iterable
from dataclasses import replace

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
from capscan.core.run.plan import ScanPlan
from capscan.core.run.progress import (
    Tally,
    final_phase,
    fold,
    progress,
    rate_per_s,
    start,
    too_many_failed,
)
from capscan.model import Phase, Usage
from tests.core.run.counting import REASONS, consistent, folded, never_falls, pending, scanned
from tests.fakes import failed_item, name_of


def failures(count: int, reason: str = "Timeout") -> Iterable[ScanEvent]:
    for n in range(count):
        yield CrdStarted(name_of(n), 0.0)
        yield CrdFailed(failed_item(name_of(n), reason))


@st.composite
def sessions(draw: st.DrawFn) -> tuple[ScanPlan, list[ScanEvent]]:
    """Draw a plan, and the events that an engine may report while it works on it."""
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
            events += draw(whether_settled(name))
        elif waiting:
            running.append(waiting.pop(0))
            events.append(CrdStarted(running[-1], 0.0))
    return plan, events


def whether_settled(name: str) -> st.SearchStrategy[list[ScanEvent]]:
    """Draw what became of an item: one event, or none where it was interrupted."""
    return st.one_of(
        st.just([]),
        st.just([CrdScanned(name)]),
        st.just([CrdUnchanged(name)]),
        st.just([CrdSkipped(name)]),
        st.builds(lambda reason: [CrdFailed(failed_item(name, reason))], st.sampled_from(REASONS)),
    )


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
    """They are a share of all items, not of those done so far: the first failure is not 100 %."""
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
    """That holds where all may fail too: otherwise whoever waits for it would take it for done."""
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
    """The usage of all of them counts."""
    spent = Usage(1, 100, 0, 10)
    tally = folded(Tally(total=1), [CrdStarted("a", 0.0), CrdReleased("a", 2.0, ending, spent)])

    assert (tally.latencies.count, tally.in_vain.count) == (answered, in_vain)
    assert tally.usage == spent
