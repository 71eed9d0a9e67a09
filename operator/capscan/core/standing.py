"""Where a scan stands, as one process knows it: a value, and the steps that lead from one to the
next. What is to be done next is decided in `core/lifecycle.py`, how it reads in `core/status.py`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from capscan.core import progress
from capscan.core.budget import EXHAUSTED
from capscan.core.conditions import Stall
from capscan.core.lifecycle import Handled
from capscan.core.progress import Tally
from capscan.core.spending import UNSPENT, Spending
from capscan.model import Estimate, FinishedRun, Phase, Run, ScanStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that one step of the controller leaves to the next."""

    phase: Phase
    handled: Handled
    obeyed: int
    """The generation that the status speaks of."""
    tally: Tally | None = None
    """The run's counts when its last session ended."""
    last_run: FinishedRun | None = None
    estimate: Estimate | None = None
    """What a dry run found."""
    stall: Stall | None = None
    stalls: int = 0
    """How often in a row."""
    spending: Spending = UNSPENT
    """What the run's budget has taught."""
    engaged: str | None = None
    """Id of the run that this process works on."""
    resting: bool = True

    @classmethod
    def from_status(cls, status: ScanStatus) -> "Standing":
        """Where an earlier process left it."""
        return cls(
            phase=status.phase or Phase.PENDING,
            handled=Handled.from_status(status),
            obeyed=status.observed_generation,
            tally=progress.reported(status.progress, status.failed_items, status.usage),
            last_run=status.last_run,
            estimate=status.estimate,
        )

    @property
    def run(self) -> Run:
        """The run at hand. Raises RuntimeError before the first one."""
        if self.handled.run is None:
            raise RuntimeError("no run has begun")
        return self.handled.run

    @property
    def stall_heals(self) -> bool:
        """Whether another try may get further; what a budget has no room for needs an edit."""
        return self.stall is not None and self.stall.reason not in EXHAUSTED

    def begun(self, handled: Handled, before: FinishedRun | None) -> "Standing":
        """A new run."""
        return replace(
            self,
            handled=handled,
            last_run=before or self.last_run,
            engaged=handled.run.id if handled.run else None,
            tally=None,
            estimate=None,
            stall=None,
            stalls=0,
            spending=UNSPENT,
            resting=False,
        )

    def taken_up(self, owner: str) -> "Standing":
        """At work on a run that is not finished; one that this process has not begun is resumed."""
        if self.engaged == self.run.id:
            return replace(self, resting=False)
        resumed = self.run.model_copy(update={"owner": owner, "resumed": self.run.resumed + 1})
        return replace(
            self, handled=replace(self.handled, run=resumed), engaged=resumed.id, resting=False
        )

    def discovering(self) -> "Standing":
        """A stall stays visible until the listing that it prevented works: no flapping."""
        return replace(self, phase=Phase.DISCOVERING) if self.stall is None else self

    def scanning(self) -> "Standing":
        """Listed and planned."""
        return replace(self, phase=Phase.SCANNING, stall=None)

    def stalled(self, stall: Stall, *, planned: bool) -> "Standing":
        """The run cannot go on; `planned` where it had got to its items."""
        begun = Phase.PENDING if self.tally is None else Phase.SCANNING
        phase = self.phase if planned else begun
        return replace(self, phase=phase, stall=stall, stalls=self.stalls + 1)

    def out_of_budget(self, stall: Stall) -> "Standing":
        """Nothing more may be asked until somebody says otherwise."""
        return replace(self, phase=Phase.SCANNING, stall=stall)

    def ended(self, outcome: Phase, now: datetime, estimate: Estimate | None = None) -> "Standing":
        """The run is finished."""
        took = max(now - self.run.start_time, timedelta(0))
        run = self.run.model_copy(update={"completion_time": now, "duration": took})
        handled = replace(self.handled, run=run)
        return replace(self, phase=outcome, handled=handled, engaged=None, estimate=estimate)

    def held(self) -> "Standing":
        """Suspended."""
        return replace(self, phase=Phase.SUSPENDED, stall=None, engaged=None, resting=False)

    def let_go(self, max_failed_percent: int) -> "Standing":
        """What a suspend held back is no longer wanted: the last run's end stands again."""
        outcome = progress.outcome(self.tally or Tally(), max_failed_percent)
        return replace(self, phase=outcome)
