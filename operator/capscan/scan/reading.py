"""Reads the digest of one item's CRD, and looks up whether its stored answer still holds."""

from collections.abc import Callable
from dataclasses import dataclass

from capscan.core.crd.digest import Digest
from capscan.core.run.plan import PlannedItem
from capscan.model import Capability, CrdIdentity, Refresh, ScanSpec, StoredRef
from capscan.scan.ports import Ports


@dataclass(slots=True)
class Reading:
    """What was read about one item so far, wherever its turn may end."""

    item: PlannedItem
    crd: CrdIdentity | None = None
    known: Capability | None = None
    """What is stored about it."""

    async def read(self, ports: Ports) -> tuple[CrdIdentity, Digest]:
        """Read the CRD and digest it. Raises NotFound, ItemError, ScanError."""
        async with ports.reads:
            found = await ports.crds.read(self.item.ref.name)
        self.crd = found.crd
        return found.crd, found.digest

    async def kept(
        self, ports: Ports, spec: Callable[[], ScanSpec], mark: str
    ) -> tuple[Capability, StoredRef] | None:
        """Return what is stored if it answers the question with this fingerprint, None if the
        question has to be asked. Raises ScanError.
        """
        stored = self.item.stored
        self.known = await ports.store.read(self.item.ref.name) if stored else None
        if stored and self.known and _answers(self.known, stored, spec(), mark):
            return self.known, stored
        return None


def _answers(known: Capability, stored: StoredRef, spec: ScanSpec, mark: str) -> bool:
    return (
        spec.refresh is Refresh.IF_CHANGED
        and not stored.edited
        and not stored.failed_run
        and known.provenance is not None
        and known.provenance.fingerprint == mark
    )
