"""How the tests render a status: of a scan in some phase, with what a session knows of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from capscan.core.conditions import WORKING
from capscan.core.run.lifecycle import Handled
from capscan.core.run.progress import Tally
from capscan.core.status import sentences
from capscan.core.status.rendering import Live, render
from capscan.core.status.state import ScanState
from capscan.model import Budget, Phase, ScanStatus
from tests.fakes import failed_item, run
from tests.virtual import EPOCH


def state_in(phase: Phase, tally: Tally | None = None, **changes: Any) -> ScanState:
    suspended = phase is Phase.SUSPENDED
    conclusion = ""
    if not (suspended or phase in WORKING):
        conclusion = sentences.conclusion(phase, tally, Budget(), listed=31)
    reached = Phase.PENDING if suspended else phase
    return replace(
        ScanState(reached, Handled(run()), suspended=suspended, tally=tally, conclusion=conclusion),
        **changes,
    )


def shown(
    phase: Phase,
    tally: Tally | None = None,
    *,
    at: dict[str, Any] | None = None,
    previous: ScanStatus | None = None,
    **live: Any,
) -> ScanStatus:
    """Render the status of a scan in this phase, of whose run a session knows `live`."""
    state = state_in(phase, tally, **(at or {}))
    return render(state, Live(tally, **live), previous or ScanStatus(), EPOCH, generation=2)


HALF_WAY = Tally(total=20, completed=8, unchanged=2, in_flight={"a.x": 0.0, "b.x": 0.0}, asked=10)

FAILURES = Tally(
    total=10,
    completed=7,
    failed_by_reason={"Timeout": 2, "InvalidAnswer": 1},
    failed_items=(failed_item(),),
)

OVER = {"handled": Handled(run(completion_time=EPOCH, duration=timedelta(seconds=99)))}
