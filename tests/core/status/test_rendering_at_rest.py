"""The status of a run that is over, as a process renders it that knows nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.conditions import Stall
from capscan.core.eta.latency import Latencies
from capscan.core.run.progress import Tally
from capscan.core.run.timetable import Timetable
from capscan.core.status.rendering import render
from capscan.core.status.state import ScanState
from capscan.model import Phase, ScanSpec, ScanStatus, Usage
from tests.core.status.rendered import FAILURES, OVER, shown
from tests.fakes import failed_item
from tests.virtual import EPOCH


def restarted(status: ScanStatus, generation: int = 2) -> ScanStatus:
    """Return the status that a process renders which knows nothing but this one."""
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
    """The process knows of the run by its status alone."""
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
def test_a_flaw_of_the_spec_shows_in_the_status_at_rest(phase: Phase) -> None:
    """A failed run keeps its own message, which is more urgent."""
    handled = replace(OVER["handled"], timetable=Timetable(flaw=Stall("InvalidSchedule", "No.")))
    status = shown(phase, FAILURES, at={"handled": handled})
    held = {condition.type: condition for condition in status.conditions or ()}

    assert held["Accepted"].status == "False"
    assert held["Stalled"].status == "True"
    assert (status.message == held["Stalled"].message == "No.") is (phase is Phase.COMPLETED)
