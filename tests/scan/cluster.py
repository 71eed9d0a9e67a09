"""One CapabilityScan and the cluster around it, in virtual time."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import anyio

from capscan.core.conditions import Stall
from capscan.core.errors import RequestRejected
from capscan.model import CapabilityScan, Condition, Phase, ScanStatus
from capscan.model.scan_status import REQUESTED_AT
from capscan.scan.controller import ScanController
from capscan.scan.following import Following
from capscan.scan.ports import Identity
from tests import fakes, virtual
from tests.fake_cluster import FakeCrds, FakeEvents, FakeNews, FakeStatus, FakeStore, ports
from tests.fakes import FakeProvider, name_of


class WallClock:
    """Goes with the virtual time, unless somebody sets it; counts how often it is looked at."""

    def __init__(self) -> None:
        self.set_by = timedelta(0)
        self.looks = 0

    def __call__(self) -> datetime:
        self.looks += 1
        return virtual.now() + self.set_by


class Cluster:
    """One CapabilityScan with its CRDs, and the operators that look after it in turn."""

    def __init__(
        self,
        spec: dict[str, Any] | None = None,
        *,
        crds: int = 20,
        delay_s: float = 1.0,
        failing: tuple[int, ...] = (),
        annotations: dict[str, str] | None = None,
    ) -> None:
        rejected: dict[str, list[Exception | None]] = {
            name_of(n): [RequestRejected("no")] * 9 for n in failing
        }
        self.crds = FakeCrds.of(crds)
        self.store = FakeStore()
        self.news = FakeNews()
        self.events = FakeEvents()
        self.provider = FakeProvider(rejected, delay_s)
        self.sink = FakeStatus(fakes.scan(spec, annotations=annotations))
        self.clock = WallClock()
        self.controller: ScanController | None = None
        self.hindrance: Stall | None = None
        self._tokens = (f"t{n}" for n in itertools.count(1))
        self._owners = (f"operator-{n}" for n in itertools.count(1))

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[ScanController]:
        """An operator at work; it dies without a word when the block ends."""
        following = Following(self.news)
        controller = self.controller = ScanController(
            self.sink.scan,
            self.sink,
            ports(
                self.crds,
                self.store,
                self.provider,
                now=self.clock,
                follow=following,
                events=self.events,
                hindrance=lambda: self.hindrance,
            ),
            Identity(next(self._owners), lambda: next(self._tokens)),
        )
        self.sink.on_write = controller.observe  # its own writes come back by the watch
        async with anyio.create_task_group() as group:
            group.start_soon(following.run)
            group.start_soon(controller.run)
            yield controller
            group.cancel_scope.cancel()

    @property
    def status(self) -> ScanStatus:
        return self.sink.status

    def phase(self) -> Phase | None:
        return self.status.phase

    @property
    def summary(self) -> str:
        return self.status.progress.summary if self.status.progress else ""

    @property
    def run_id(self) -> str:
        return self.status.run.id if self.status.run else ""

    def phases(self) -> list[Phase | None]:
        """Each phase once, in the order in which they were written."""
        return [phase for phase, _ in itertools.groupby(s.phase for _, s in self.sink.versions)]

    def condition(self, type_: str) -> Condition:
        return next(c for c in self.status.conditions or () if c.type == type_)

    def edit(self, spec: dict[str, Any]) -> None:
        """A user applies this spec; the watch brings it."""
        self._change(spec=spec, generation=self.sink.scan.metadata.generation + 1)

    def annotate(self, value: str) -> None:
        """A user sets the annotation that asks for a run."""
        metadata = self.sink.scan.metadata
        spec = self.sink.scan.spec.to_wire()
        self._change(spec, metadata.generation, {REQUESTED_AT: value})

    def _change(
        self, spec: dict[str, Any], generation: int, annotations: dict[str, str] | None = None
    ) -> None:
        now = self.sink.scan
        self._seen(
            fakes.scan(
                spec,
                generation=generation,
                version=int(now.metadata.resource_version) + 1,
                annotations=annotations or dict(now.metadata.annotations),
                status=now.raw_status,
            )
        )

    def _seen(self, scan: CapabilityScan) -> None:
        assert self.controller is not None
        self.controller.observe(scan)

    def lose_status(self) -> None:
        """Somebody removes the status by hand."""
        self.overwrite(None)

    def overwrite(self, status: dict[str, Any] | None) -> None:
        """Somebody puts another status in the place of ours."""
        now = self.sink.scan
        version = int(now.metadata.resource_version) + 1
        self._seen(
            fakes.scan(
                now.spec.to_wire(),
                generation=now.metadata.generation,
                version=version,
                annotations=dict(now.metadata.annotations),
                status=status,
            )
        )
