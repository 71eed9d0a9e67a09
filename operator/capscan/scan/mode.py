"""What a run does with its items: it asks about them, or it rehearses.

A mode owns everything that the two do differently. A new one conforms to `Mode`, and is found by
`mode_of`. How a rehearsal reads in the status is said in `core/status`.
"""

import logging
from collections.abc import Callable
from typing import ClassVar, Protocol

from capscan.core.errors import ItemError
from capscan.core.kube_errors import NotFound
from capscan.core.money.estimate import Bill, estimate
from capscan.core.money.spending import Spending
from capscan.core.run.events import CrdScanned, CrdSkipped, CrdUnchanged, Settled
from capscan.core.run.plan import PlannedItem, fingerprint
from capscan.model import Estimate, Usage
from capscan.scan.engine import Settle, Slot
from capscan.scan.item import Settler
from capscan.scan.job import Job
from capscan.scan.ports import Provider
from capscan.scan.reading import Reading
from capscan.scan.within_budget import WithinBudget

logger = logging.getLogger(__name__)


class Mode(Protocol):
    """Settles the items of one session."""

    writes: ClassVar[bool]
    """Whether it changes the store."""
    counts: ClassVar[bool]
    """Whether the next session of the run goes on from what was settled."""
    follows: ClassVar[bool]
    """Whether a change of the cluster is a reason for another run."""

    def __init__(
        self,
        job: Job,
        provider: Provider,
        *,
        used: Callable[[], Usage],
        on_exhausted: Callable[[], None],
    ) -> None:
        """`used` says what the run has spent so far; `on_exhausted` is called when nothing more
        fits into the budget.
        """
        ...

    @property
    def settle(self) -> Settle:
        """Settles one item."""
        ...

    @property
    def spending(self) -> Spending:
        """What the budget has taught, in this session and before it."""
        ...

    def is_overdrawn_by_edit(self) -> bool:
        """Obey the newest budget. Return whether it was edited, and what is under way may take
        more than it allows.
        """
        ...

    def estimate(self, crds: int) -> Estimate | None:
        """Return what a run would take, of so many CRDs that match; None where that was not
        found out.
        """
        ...


class Ask:
    """Asks the provider about each item within the budget, and stores the answers."""

    writes: ClassVar[bool] = True
    counts: ClassVar[bool] = True
    follows: ClassVar[bool] = True

    def __init__(
        self,
        job: Job,
        provider: Provider,
        *,
        used: Callable[[], Usage],
        on_exhausted: Callable[[], None],
    ) -> None:
        self._job = job
        self._budget = job.spec().budget
        self._within = WithinBudget(
            provider,
            budget=lambda: job.spec().budget,
            used=used,
            before=job.spending,
            on_exhausted=on_exhausted,
        )
        self._settler = Settler(job.ports, self._within, scan=job.scan, run=job.run, spec=job.spec)

    @property
    def settle(self) -> Settle:
        """Settles one item."""
        return self._settler

    @property
    def spending(self) -> Spending:
        """What the budget has taught, in this session and before it."""
        return self._within.spending

    def is_overdrawn_by_edit(self) -> bool:
        """Obey the newest budget. Return whether it was edited, and what is under way may take
        more than it allows.
        """
        budget = self._job.spec().budget
        if budget == self._budget:
            return False
        self._budget = budget
        self._within.look_again()
        return self._within.is_overdrawn

    def estimate(self, crds: int) -> Estimate | None:  # noqa: ARG002
        """Nothing is estimated where questions are asked."""
        return None


class Rehearse:
    """Reads and digests each item to say what a run would ask; asks nothing and writes nothing.

    It does not follow the cluster: each change would have it done again.
    """

    writes: ClassVar[bool] = False
    counts: ClassVar[bool] = False
    follows: ClassVar[bool] = False

    def __init__(
        self,
        job: Job,
        provider: Provider,
        *,
        used: Callable[[], Usage],  # noqa: ARG002
        on_exhausted: Callable[[], None],  # noqa: ARG002
    ) -> None:
        self._job = job
        self._provider = provider
        self._bill = Bill()

    @property
    def settle(self) -> Settle:
        """Settles one item."""
        return self._look

    @property
    def spending(self) -> Spending:
        """What earlier sessions have learnt: this one spends nothing."""
        return self._job.spending

    def is_overdrawn_by_edit(self) -> bool:
        """A budget holds nothing back where nothing is asked."""
        return False

    def estimate(self, crds: int) -> Estimate | None:
        """Return what a run would take, by the items that were looked at, of so many CRDs that
        match.
        """
        pace = self._job.pace(self._provider)
        return estimate(self._bill, crds, pace, self._job.spec().parallelism)

    async def _look(self, item: PlannedItem, slot: Slot) -> Settled:  # noqa: ARG002
        """Count what asking about one item would take; one that cannot be read is left out.
        Raises ScanError.
        """
        name, reading = item.ref.name, Reading(item)
        try:
            _, digest = await reading.read(self._job.ports)
        except NotFound:
            return CrdSkipped(name)
        except ItemError as error:
            scan = self._job.scan
            logger.warning("%s: %s: %s", scan, name, error, extra={"scan": scan})
            return CrdSkipped(name)
        mark = fingerprint(digest, self._provider.identity)
        if await reading.kept(self._job.ports, self._job.spec, mark):
            return CrdUnchanged(name)
        self._bill = self._bill.plus(self._provider.estimate(digest))
        return CrdScanned(name)


def mode_of(*, dry_run: bool) -> type[Mode]:
    """Return the mode of a run by its `dryRun`."""
    return Rehearse if dry_run else Ask
