"""One CRD to be settled, and what answers about it."""

from dataclasses import dataclass, field

from capscan.core.answer.capability import AnswerRecord, analysed
from capscan.core.crd.digest import digest_crd
from capscan.core.run.events import CrdFailed, Settled
from capscan.core.run.plan import PlannedItem, fingerprint, plan_key
from capscan.model import Capability, Crd, FailedItem, ScanSpec
from capscan.scan.item import Settler
from tests import virtual
from tests.fake_cluster import FakeCrds, FakeStore, ports
from tests.fakes import FakeProvider, FreeSlot, completion, crd, ref, run

CRD = crd()

NAME = CRD.name


@dataclass
class Setting:
    """One CRD, and what answers about it."""

    crds: FakeCrds = field(default_factory=lambda: FakeCrds([CRD]))
    store: FakeStore = field(default_factory=FakeStore)
    provider: FakeProvider = field(default_factory=FakeProvider)
    spec: ScanSpec = field(default_factory=ScanSpec)

    async def settle(self, run_id: str = "r2", name: str = NAME) -> Settled:
        return await self.settler(run_id)(await self.item(name), FreeSlot())

    def settler(self, run_id: str = "r2") -> Settler:
        these = ports(self.crds, self.store, self.provider)
        return Settler(these, self.provider, scan="all", run=run(run_id), spec=lambda: self.spec)

    async def item(self, name: str = NAME) -> PlannedItem:
        """Return the item as planned from what the store says now."""
        stored = {one.name: one for one in await self.store.list_refs()}
        listed = ref(name)
        return PlannedItem(listed, plan_key(listed, self.provider.identity), stored.get(name))

    async def analysed(self, known: Crd = CRD) -> None:
        """Store an answer of an earlier run about this CRD."""
        mark = fingerprint(digest_crd(known), self.provider.identity)
        answered = AnswerRecord("all", "r1", completion(), mark, 1, virtual.EPOCH)
        key = plan_key(ref(known.name), self.provider.identity)
        await self.store.write(analysed(known, answered, key))

    @property
    def stored(self) -> Capability:
        return self.store.by_name[NAME].capability

    @property
    def attempts(self) -> int:
        """How many attempts it took, as the store has it."""
        assert self.stored.provenance is not None
        return self.stored.provenance.attempts


def failure(outcome: Settled) -> FailedItem:
    assert isinstance(outcome, CrdFailed)
    return outcome.item


def answers(*replies: Exception | None) -> FakeProvider:
    return FakeProvider({NAME: list(replies)})


def other_provider(setting: Setting) -> None:
    setting.provider.identity = "fake/2"
