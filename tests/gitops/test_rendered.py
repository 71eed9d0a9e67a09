"""The verdicts of GitOps tools on all that the operator can report of a scan, in any order."""

import json
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from capscan.core.conditions import DONE, WORKING, Stall
from capscan.core.run.lifecycle import Handled
from capscan.core.run.progress import Tally
from capscan.core.status.rendering import Live, render
from capscan.core.status.state import ScanState
from capscan.model import Phase, ScanStatus
from tests.fakes import run
from tests.gitops import rules, tools
from tests.gitops.rules import Json, kstatus
from tests.virtual import EPOCH

STALL = Stall("MissingPermission", "Add a rule.")
TALLY = Tally(total=4, completed=2, failed_by_reason={"Timeout": 1})
SCRIPT = rules.argo_script("CapabilityScan")
CHECK = rules.flux_checks()["capscan.dev/v1alpha1/CapabilityScan"]

SAME = {
    "Current": {"Healthy"},
    "Failed": {"Degraded"},
    "InProgress": {"Progressing", "Suspended"},
}
"""The verdicts that Argo CD may give where kstatus gives the one on the left."""

Step = tuple[Phase, bool, int, int]
"""The phase, whether it is stalled, and how many edits come before and after the report."""


@dataclass
class Scan:
    """A scan and what was reported of it so far."""

    generation: int = 1
    status: ScanStatus = field(default_factory=ScanStatus)
    at: ScanState = field(default_factory=lambda: ScanState(Phase.PENDING, Handled()))
    phase: Phase | None = None
    stalled: bool = False

    def report(self, phase: Phase, *, stalled: bool) -> None:
        """Let the operator write the status for the newest spec."""
        stall = STALL if stalled and phase in WORKING else None
        suspended = phase is Phase.SUSPENDED
        self.at = ScanState(
            Phase.SCANNING if suspended else phase,
            Handled(run()),
            suspended=suspended,
            tally=TALLY,
            conclusion="So it is.",
            stall=stall,
        )
        self._render(Live(TALLY))
        self.phase, self.stalled = phase, stall is not None

    def acknowledge(self) -> None:
        """Edit a scan at rest so that it asks nothing new, and let the operator see that."""
        self.generation += 1
        self._render(None)

    def _render(self, live: Live | None) -> None:
        self.status = render(self.at, live, self.status, EPOCH, generation=self.generation)

    def wire(self) -> Json:
        """Return the object as a watcher sees it."""
        return {
            "apiVersion": "capscan.dev/v1alpha1",
            "kind": "CapabilityScan",
            "metadata": {"name": "all", "generation": self.generation},
            "status": self.status.to_wire(),
        }

    @property
    def wanted(self) -> str:
        """The verdict that kstatus should give."""
        if self.status.observed_generation != self.generation or self.phase is None:
            return "InProgress"
        if self.stalled or self.phase is Phase.FAILED:
            return "Failed"
        return "Current" if self.phase in DONE else "InProgress"


def after(steps: list[Step]) -> Scan:
    scan = Scan()
    for phase, stalled, edits_before, edits_after in steps:
        scan.generation += edits_before
        scan.report(phase, stalled=stalled)
        scan.generation += edits_after
    return scan


STEPS = st.tuples(st.sampled_from(Phase), st.booleans(), st.integers(0, 2), st.integers(0, 1))


@settings(deadline=None)
@given(st.lists(STEPS, max_size=6))
def test_kstatus_judges_every_sequence_of_reports_rightly(steps: list[Step]) -> None:
    """Above all, it never says Current before Complete is True for this very generation."""
    scan = after(steps)
    wire = scan.wire()
    true = {
        c["type"]: c["observedGeneration"]
        for c in wire["status"].get("conditions", [])
        if c["status"] == "True"
    }

    assert kstatus(wire) == scan.wanted
    assert not {"Reconciling", "Stalled"} <= true.keys()
    if kstatus(wire) == "Current":
        assert true["Complete"] == true["Ready"] == scan.generation
        assert true.keys() == {"Accepted", "Ready", "Complete"}


@settings(deadline=None)
@given(st.lists(STEPS, max_size=6))
@example([(Phase.COMPLETED, False, 0, 0), (Phase.SCANNING, False, 0, 0)])  # a rescan by annotation
def test_flux_and_argo_judge_every_sequence_of_reports_as_kstatus_does(steps: list[Step]) -> None:
    """With their health checks they know as much of a scan as kstatus does."""
    wire = after(steps).wire()

    assert rules.flux(wire, CHECK) == kstatus(wire)
    assert rules.argo(wire, SCRIPT) in SAME[kstatus(wire)]


@settings(deadline=None)
@given(st.sampled_from(sorted(DONE)), st.integers(1, 3))
def test_an_edit_that_asks_nothing_new_leaves_a_scan_current(phase: Phase, edits: int) -> None:
    scan = Scan()
    scan.report(phase, stalled=False)
    for _ in range(edits):
        scan.acknowledge()

    assert kstatus(scan.wire()) == "Current"
    assert rules.flux(scan.wire(), CHECK) == "Current"


def test_the_tools_give_the_same_verdicts_on_every_pair_of_phases(
    built: Path, tmp_path: Path
) -> None:
    """Every phase after every other one is tried, with and without a stall and edits."""
    scans: dict[str, Json] = {"0": Scan().wire()}
    flags = (False, True)
    for first, second, stalled, before, later in product(Phase, Phase, flags, flags, flags):
        steps: list[Step] = [(first, False, 0, 0), (second, stalled, int(before), int(later))]
        scans[f"{len(scans)}"] = after(steps).wire()
    for name, scan in scans.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(scan), encoding="utf-8")

    said = tools.ask(built, tmp_path.glob("*.json"))

    assert said.keys() == scans.keys()
    for name, scan in scans.items():
        assert (said[name]["kstatus"], said[name]["flux"], said[name]["argo"]) == (
            kstatus(scan),
            rules.flux(scan, CHECK),
            rules.argo(scan, SCRIPT),
        )
