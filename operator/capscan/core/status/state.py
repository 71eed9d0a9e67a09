"""Where a scan stands, as one process knows it: a value, and the steps that lead to the next value.

`core/run/lifecycle.py` decides what is to be done next; `rendering.py` makes a status of the value.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from capscan.core.conditions import WORKING, Stall
from capscan.core.money.budget import EXHAUSTED, exhausted, rest_of
from capscan.core.money.spending import UNSPENT, Spending
from capscan.core.run import progress
from capscan.core.run.lifecycle import Handled, outranks
from capscan.core.run.progress import Tally
from capscan.core.status import sentences
from capscan.model import Budget, Estimate, FinishedRun, Phase, Run, ScanSpec, ScanStatus


@dataclass(frozen=True, slots=True)
class ScanState:
    """Everything that one step of the scan's controller leaves to the next."""

    reached: Phase
    """The phase of the run, whether or not the scan is suspended."""
    handled: Handled
    suspended: bool = False
    tally: Tally | None = None
    """The run's counts at the end of its last session."""
    conclusion: str = ""
    """What came of the run, in a sentence; empty until it is over."""
    last_run: FinishedRun | None = None
    estimate: Estimate | None = None
    """What a dry run found."""
    stall: Stall | None = None
    stalls: int = 0
    """How often the run has stalled in a row."""
    spending: Spending = UNSPENT
    """What is set aside of the run's budget, and how estimates have held."""
    engaged: str | None = None
    """Id of the run that this process works on."""
    resting: bool = True

    @classmethod
    def from_status(cls, status: ScanStatus, spec: ScanSpec) -> "ScanState":
        """Return the state in which an earlier process left the scan. Where the status no longer
        says how its run ended, because the scan was suspended since then or somebody wrote over it,
        that is computed from the counts.
        """
        handled = Handled.from_status(status)
        tally = progress.reported(status.progress, status.failed_items, status.usage)
        suspended = status.phase is Phase.SUSPENDED
        reached, conclusion = Phase.PENDING if suspended else status.phase or Phase.PENDING, ""
        if handled.is_over:
            if reached in WORKING:
                reached = progress.final_phase(tally or Tally(), spec.max_failed_percent)
            by_counts = sentences.conclusion(reached, tally, spec.budget, status.estimate)
            conclusion = _told(status) or by_counts
        return cls(
            reached=reached,
            handled=handled,
            suspended=suspended,
            tally=tally,
            conclusion=conclusion,
            last_run=status.last_run,
            estimate=status.estimate,
        )

    @property
    def phase(self) -> Phase:
        """The phase that the status shows."""
        return Phase.SUSPENDED if self.suspended else self.reached

    @property
    def is_dry(self) -> bool:
        """Whether the run asks nothing."""
        return self.handled.run is not None and self.handled.run.dry_run

    @property
    def run(self) -> Run:
        """The run at hand. Raises RuntimeError before the first one."""
        if self.handled.run is None:
            raise RuntimeError("no run has begun")
        return self.handled.run

    @property
    def stall_heals(self) -> bool:
        """Whether another try may get further. A budget without room for a question needs an
        edit.
        """
        return self.stall is not None and self.stall.reason not in EXHAUSTED

    def has_the_word(self, found: ScanStatus) -> bool:
        """Whether this process may write over the status that it found. At rest it may only where
        its run is over and no other operator's run outranks it.
        """
        if not self.resting:
            return True
        return self.handled.is_over and not outranks(found.run, self.handled.run)

    def used_up(self, budget: Budget) -> Stall | None:
        """Return why the run has to wait for a larger budget; None where it may ask."""
        tally, wanted = self.tally or Tally(), self.spending.wanted
        rest = rest_of(tally.usage, progress.progress(tally), wanted)
        return exhausted(budget, tally.usage, wanted, rest)

    @property
    def finished_run(self) -> FinishedRun | None:
        """What is kept of the run when the next one begins; None where it has not ended or has no
        counts.
        """
        run = self.handled.run
        if not (run and run.completion_time and self.tally):
            return None
        counts = progress.progress(self.tally)
        return FinishedRun(
            id=run.id,
            phase=self.reached,
            start_time=run.start_time,
            completion_time=run.completion_time,
            summary=counts.summary,
            failed=counts.failed,
        )

    def begun(self, handled: Handled) -> "ScanState":
        """Return the state with a new run that has just begun."""
        return replace(
            self,
            reached=Phase.PENDING,
            handled=handled,
            suspended=False,
            last_run=self.finished_run or self.last_run,
            engaged=handled.run.id if handled.run else None,
            tally=None,
            conclusion="",
            estimate=None,
            stall=None,
            stalls=0,
            spending=UNSPENT,
            resting=False,
        )

    def taken_up(self, owner: str) -> "ScanState":
        """Return the state at work on an unfinished run. A run that this process has not begun
        counts as resumed.
        """
        if self.engaged == self.run.id:
            return replace(self, suspended=False, resting=False)
        resumed = self.run.model_copy(update={"owner": owner, "resumed": self.run.resumed + 1})
        return replace(
            self,
            handled=replace(self.handled, run=resumed),
            suspended=False,
            engaged=resumed.id,
            resting=False,
        )

    def discovering(self) -> "ScanState":
        """Return the state while CRDs are listed. A stall stays visible until the listing that it
        prevented works, so that the status does not flap.
        """
        return replace(self, reached=Phase.DISCOVERING) if self.stall is None else self

    def scanning(self) -> "ScanState":
        """Return the state once the CRDs are listed and the run is planned."""
        return replace(self, reached=Phase.SCANNING, stall=None)

    def stalled(self, stall: Stall, *, planned: bool) -> "ScanState":
        """Return the state of a run that cannot go on; `planned` says whether it had been
        planned.
        """
        begun = Phase.PENDING if self.tally is None else Phase.SCANNING
        reached = self.reached if planned else begun
        return replace(self, reached=reached, stall=stall, stalls=self.stalls + 1)

    def out_of_budget(self, stall: Stall) -> "ScanState":
        """Return the state of a run that may ask nothing more until its budget is raised."""
        return replace(self, reached=Phase.SCANNING, stall=stall)

    def ended(
        self, phase: Phase, conclusion: str, now: datetime, estimate: Estimate | None = None
    ) -> "ScanState":
        """Return the state once the run is over."""
        took = max(now - self.run.start_time, timedelta(0))
        run = self.run.model_copy(update={"completion_time": now, "duration": took})
        return replace(
            self,
            reached=phase,
            handled=replace(self.handled, run=run),
            conclusion=conclusion,
            engaged=None,
            estimate=estimate,
        )

    def held(self) -> "ScanState":
        """Return the suspended state, with this run or the next one left to do."""
        return replace(self, suspended=True, stall=None, engaged=None, resting=False)

    def at_rest(self) -> "ScanState":
        """Return the state in which nothing is left to do, and nothing is held back."""
        return replace(self, suspended=False, resting=True)


def _told(status: ScanStatus) -> str:
    """Return what the condition Complete or Failed says of the run; empty where neither is True."""
    ends = (c for c in status.conditions or () if c.type in {"Complete", "Failed"})
    return next((c.message for c in ends if c.status == "True"), "")
