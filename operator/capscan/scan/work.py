"""The second half of a session: works a plan off, and counts what comes of it.

What becomes of one item is up to the mode (`mode.py`), how many are in flight to the engine.
"""

import logging
from collections.abc import Callable
from math import inf

import anyio

from capscan.core.eta.forecast import Load, Throughput, add_item, eta_s
from capscan.core.money.budget import exhausted
from capscan.core.run import progress
from capscan.core.run.events import CrdFailed, ScanEvent, Settled
from capscan.core.run.progress import Tally
from capscan.model import Usage
from capscan.scan.discovery import Discovery
from capscan.scan.engine import PAID_GRACE_S, Engine
from capscan.scan.job import Job
from capscan.scan.mode import Mode

logger = logging.getLogger(__name__)


class Work:
    """Settles the items that a discovery has found. `on_change` is called after each event."""

    def __init__(
        self, job: Job, found: Discovery, mode: type[Mode], on_change: Callable[[], None]
    ) -> None:
        self.found = found
        self.tally: Tally = found.tally
        self.mode = mode(job, found.provider, used=self._used, on_exhausted=self._stop_asking)
        self._job = job
        self._on_change = on_change
        self._engine = Engine(self.mode.settle, self._on_event, job.spec().parallelism)
        self._throughput = Throughput()
        self._since_s: float | None = None
        """When the first item was due; None before that."""

    @property
    def working_s(self) -> float:
        """Seconds since the first item was due."""
        return 0.0 if self._since_s is None else anyio.current_time() - self._since_s

    @property
    def eta_s(self) -> float | None:
        """Seconds until the run is done; None while too little is known."""
        if self._since_s is None:
            return None
        tally, now_s = self.tally, anyio.current_time()
        load = Load(
            queued=max(0, tally.remaining - len(tally.in_flight)),
            ages_s=[now_s - at_s for at_s in tally.in_flight.values()],
            latencies=tally.latencies,
            in_vain=tally.in_vain,
            throughput=self._throughput,
        )
        return eta_s(load, self._job.pace(self.found.provider), self._parallelism, now_s)

    @property
    def failed(self) -> bool:
        """Whether more items failed than the spec allows."""
        return progress.too_many_failed(self.tally, self._job.spec().max_failed_percent)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do in this run."""
        return self.tally.remaining == 0 or self.failed

    async def run(self) -> None:
        """Work until nothing is left, or until a stop. Raises ScanError."""
        if not self.failed:
            self._since_s = anyio.current_time()
            await self._engine.run(self.found.plan.pending)

    def stop(self, grace_s: float) -> None:
        """Start nothing more; give up what is in flight after `grace_s` seconds."""
        self._engine.stop(grace_s)

    def obey(self) -> None:
        """The spec may say otherwise how many items may be in flight, and what they may use."""
        self._engine.resize(self._parallelism)
        if self.mode.is_overdrawn_by_edit():
            # What is under way finishes; what has room all the same is planned once more.
            self._stop_asking()

    @property
    def _parallelism(self) -> int:
        return self._job.spec().parallelism

    def _used(self) -> Usage:
        return self.tally.usage

    def _stop_asking(self) -> None:
        self._engine.stop(grace_s=inf)

    def _on_event(self, event: ScanEvent) -> None:
        self.tally = progress.fold(self.tally, event)
        if isinstance(event, Settled):
            self._throughput = add_item(
                self._throughput,
                anyio.current_time(),
                pace=self._job.pace(self.found.provider),
                parallelism=self._parallelism,
                in_flight=len(self.tally.in_flight),
            )
        if isinstance(event, CrdFailed):
            self._on_failure(event)
        if exhausted(self._job.spec().budget, self._used()):
            self._stop_asking()
        self._on_change()

    def _on_failure(self, event: CrdFailed) -> None:
        item = event.item
        logger.warning(
            "%s: %s failed: %s: %s", self._job.scan, item.name, item.reason, item.message,
            extra=self._job.fields(item.name)
            | {"reason": item.reason, "attempts": item.attempts},
        )  # fmt: skip
        if self.failed:
            self._engine.stop(PAID_GRACE_S)
