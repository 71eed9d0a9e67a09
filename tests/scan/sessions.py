"""Sessions over a cluster in memory."""

from dataclasses import dataclass, field

import anyio

from capscan.core.errors import RequestRejected
from capscan.core.money.spending import Spending
from capscan.core.run.progress import Tally, progress, reported
from capscan.model import ObjectMeta, ScanSpec
from capscan.scan.job import Job
from capscan.scan.session import Session
from tests.fake_cluster import FakeCrds, FakeStore, ports
from tests.fakes import FakeProvider, name_of, run


@dataclass
class Setting:
    """A cluster, and sessions that work on it one after the other."""

    crds: FakeCrds = field(default_factory=lambda: FakeCrds.of(5))
    store: FakeStore = field(default_factory=FakeStore)
    provider: FakeProvider = field(default_factory=FakeProvider)
    spec: ScanSpec = field(default_factory=ScanSpec)
    changes: int = 0

    def session(self, before: Tally | None = None, run_id: str = "r1") -> Session:
        job = Job(
            ports(self.crds, self.store, self.provider),
            about=ObjectMeta(name="all", uid="uid"),
            run=run(run_id),
            spec=lambda: self.spec,
            before=before,
            spending=Spending(),
        )
        return Session(job, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    async def work(self, before: Tally | None = None, run_id: str = "r1") -> Session:
        session = self.session(before, run_id)
        await session.discover()
        await session.scan()
        return session

    async def killed_after(self, seconds: float, before: Tally | None = None) -> Tally | None:
        """Return what the status showed of a process that died after so many seconds."""
        session = self.session(before)
        with anyio.move_on_after(seconds):
            await session.discover()
            await session.scan()
        if session.tally is None:
            return None
        return reported(progress(session.tally), session.tally.failed_items)


def rejecting(*numbers: int, delay_s: float = 0.0) -> FakeProvider:
    """Return a provider that refuses these CRDs each time it is asked."""
    return FakeProvider({name_of(n): [RequestRejected("no")] * 9 for n in numbers}, delay_s)


def tally(session: Session) -> Tally:
    assert session.tally is not None
    return session.tally
