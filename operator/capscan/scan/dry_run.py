"""What a run would ask, without asking: reads and digests what is pending, and writes nothing."""

import logging
from collections.abc import Callable

from capscan.core.crd.digest import digest_crd
from capscan.core.errors import ItemError, NotFound
from capscan.core.money.estimate import Bill, estimate
from capscan.core.run.events import CrdScanned, CrdSkipped, CrdUnchanged, Settled
from capscan.core.run.plan import PlannedItem, fingerprint
from capscan.model import Estimate, ScanSpec
from capscan.scan.engine import Slot
from capscan.scan.item import still_right
from capscan.scan.ports import Ports, Provider

logger = logging.getLogger(__name__)


class Estimator:
    """Stands in for the settler of a run; `scanned` is what would be asked about."""

    def __init__(
        self, ports: Ports, provider: Provider, *, scan: str, spec: Callable[[], ScanSpec]
    ) -> None:
        self._ports = ports
        self._provider = provider
        self._scan = scan
        self._spec = spec
        self._bill = Bill()

    def estimate(self, crds: int) -> Estimate:
        """Of what was looked at so far, out of so many CRDs that match."""
        spec = self._spec()
        pace = self._provider.pace(self._scan, spec.priority.weight)
        return estimate(self._bill, crds, pace, spec.parallelism)

    async def __call__(self, item: PlannedItem, slot: Slot) -> Settled:  # noqa: ARG002
        """Raises ScanError. A CRD that cannot be read is left out."""
        name, stored = item.ref.name, item.stored
        try:
            async with self._ports.reads:
                digest = digest_crd(await self._ports.crds.read(name))
        except NotFound:
            return CrdSkipped(name)
        except ItemError as error:
            logger.warning("%s: %s: %s", self._scan, name, error, extra={"scan": self._scan})
            return CrdSkipped(name)
        known = await self._ports.store.read(name) if stored else None
        mark = fingerprint(digest, self._provider.identity)
        if still_right(self._spec(), stored, known, mark):
            return CrdUnchanged(name)
        self._bill = self._bill.plus(self._provider.estimate(digest))
        return CrdScanned(name)
