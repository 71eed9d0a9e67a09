"""What one session of a run is given: the same value for the listing and for the work."""

from collections.abc import Callable
from dataclasses import dataclass

from capscan.core.money.spending import Spending
from capscan.core.pace import Pace
from capscan.core.run.progress import Tally
from capscan.model import ObjectMeta, Run, ScanSpec
from capscan.scan.ports import Ports, Provider


@dataclass(frozen=True, slots=True)
class Job:
    """A run to be worked on, and what earlier sessions left of it."""

    ports: Ports
    about: ObjectMeta
    """The CapabilityScan, as it was when the session began."""
    run: Run
    spec: Callable[[], ScanSpec]
    """The newest spec: it may change while the session goes on."""
    before: Tally | None
    """The counts of earlier sessions; None before the first one got to any."""
    spending: Spending
    """What the budget has taught in earlier sessions."""

    @property
    def scan(self) -> str:
        """Name of the CapabilityScan."""
        return self.about.name

    def pace(self, provider: Provider) -> Pace:
        """Return how fast that provider may be asked now."""
        return provider.pace(self.scan, self.spec().priority.weight)

    def fields(self, crd: str) -> dict[str, object]:
        """Return the fields of a log line about that CRD."""
        return {"scan": self.scan, "run": self.run.id, "crd": crd}
