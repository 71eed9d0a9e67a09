"""A cluster in memory: the ports of `capscan.scan.ports` but for the provider (`tests/fakes.py`).

`FakeStore` keeps the contract of tests/store/test_contract.py. What a fake must refuse or delay is
told to it by setting an attribute; what it saw is there to be read.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import anyio.lowlevel

from capscan.core.answer.capability import Entry
from capscan.core.conditions import Stall
from capscan.core.crd.digested import DigestedCrd, digested
from capscan.core.errors import ScanError, StoreRejected
from capscan.core.kube_errors import NotFound
from capscan.core.merge_patch import merge_patch
from capscan.core.notice import Notice
from capscan.model import Capability, CapabilityScan, Crd, CrdRef, ObjectMeta, ScanStatus, StoredRef
from capscan.scan.ports import Ports, Render
from tests import virtual
from tests.fakes import FakeProvider, FakeProviders, crd, name_of
from tests.providers import analysis


class FakeCrds:
    """The CRDs of a cluster that a test adds to, changes and deletes from."""

    def __init__(self, crds: Iterable[Crd] = ()) -> None:
        self.by_name = {one.name: one for one in crds}
        self.labels: dict[str, dict[str, str]] = {}
        self.delay_s = 0.0
        self.denied: ScanError | None = None
        self.read_error: Exception | None = None
        self.on_list: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, count: int) -> "FakeCrds":
        """Return a cluster with so many CRDs."""
        return cls(crd(name_of(n)) for n in range(count))

    def add(self, one: Crd) -> None:
        """Create the CRD, or put it in the place of its namesake."""
        self.by_name[one.name] = one

    def delete(self, name: str) -> None:
        """Delete the CRD of that name."""
        del self.by_name[name]

    async def list_refs(self) -> list[CrdRef]:
        self.on_list()
        await anyio.sleep(self.delay_s)
        if self.denied:
            raise self.denied
        return [
            CrdRef(one.name, one.uid, one.generation, self.labels.get(one.name, {}))
            for one in self.by_name.values()
        ]

    async def read(self, name: str) -> DigestedCrd:
        await anyio.lowlevel.checkpoint()
        if self.read_error:
            raise self.read_error
        if name not in self.by_name:
            raise NotFound(name)
        return digested(self.by_name[name])


@dataclass
class _Kept:
    """One object of the store."""

    ref: StoredRef
    capability: Capability
    labels: set[str] = field(default_factory=set)


class FakeStore:
    """Capabilities in memory."""

    def __init__(self) -> None:
        self.by_name: dict[str, _Kept] = {}
        self.written: list[Entry] = []
        self.removed: list[str] = []
        self.rejects: set[str] = set()
        self.denied: ScanError | None = None
        self.delay_s = 0.0
        self.on_list: Callable[[], None] = lambda: None
        self._uids = itertools.count()

    async def list_refs(self) -> list[StoredRef]:
        self.on_list()
        await anyio.lowlevel.checkpoint()
        return [kept.ref for kept in self.by_name.values()]

    async def read(self, name: str) -> Capability | None:
        await anyio.lowlevel.checkpoint()
        kept = self.by_name.get(name)
        return kept.capability if kept else None

    async def check(self) -> None:
        await anyio.lowlevel.checkpoint()
        if self.denied:
            raise self.denied

    async def write(self, entry: Entry) -> None:
        await anyio.sleep(self.delay_s)
        if self.denied:
            raise self.denied
        if entry.ref.name in self.rejects:
            raise StoreRejected("it does not fit")
        before = self.by_name.get(entry.ref.name)
        self.by_name[entry.ref.name] = _Kept(
            StoredRef(
                name=entry.ref.name,
                uid=before.ref.uid if before else f"capability-{next(self._uids)}",
                crd_uid=entry.ref.uid,
                plan_key=entry.plan_key,
                run_id=entry.run_id,
                failed_run=entry.failed_run,
                failed_reason=entry.failed_reason,
            ),
            entry.capability,
            before.labels if before else set(),
        )
        self.written.append(entry)

    async def remove(self, stored: StoredRef) -> None:
        await anyio.lowlevel.checkpoint()
        kept = self.by_name.get(stored.name)
        if kept and kept.ref.uid == stored.uid:
            del self.by_name[stored.name]
            self.removed.append(stored.name)

    def edit(self, name: str) -> None:
        """Somebody changes the analysis by hand."""
        kept = self.by_name[name]
        kept.ref = replace(kept.ref, edited=True)
        edited = analysis(name).model_copy(update={"description": "Edited by hand."})
        kept.capability = kept.capability.model_copy(update={"analysis": edited})

    def delete(self, name: str) -> None:
        """Somebody deletes it by hand."""
        del self.by_name[name]


class FakeStatus:
    """The status of one scan under resourceVersions, with every version that it ever had."""

    def __init__(self, seen: CapabilityScan) -> None:
        self.scan = seen
        self.versions: list[tuple[float, ScanStatus]] = []
        self.denied: Exception | None = None
        self.on_write: Callable[[CapabilityScan], None] = lambda _: None
        self.renders = 0

    @property
    def status(self) -> ScanStatus:
        """The newest version."""
        return self.scan.status

    def observe(self, seen: CapabilityScan) -> bool:
        newer = int(seen.metadata.resource_version) >= int(self.scan.metadata.resource_version)
        if newer:
            self.scan = seen
        return newer

    async def update(self, render: Render) -> bool:
        await anyio.lowlevel.checkpoint()
        if self.denied:
            raise self.denied
        self.renders += 1
        wanted = render(self.scan.status)
        if not merge_patch(self.scan.raw_status, wanted.to_wire()):
            return False
        version = str(int(self.scan.metadata.resource_version) + 1)
        self.scan = self.scan.model_copy(
            update={
                "metadata": self.scan.metadata.model_copy(update={"resource_version": version}),
                "status": wanted,
                "raw_status": wanted.to_wire(),
            }
        )
        self.versions.append((anyio.current_time(), wanted))
        self.on_write(self.scan)
        return True


class FakeEvents:
    """Keeps the notices that were told, in order."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def tell(self, kind: str, about: ObjectMeta, notice: Notice) -> None:
        assert (kind, about.name) == ("CapabilityScan", "all")
        self.notices.append(notice)


class FakeNews:
    """News of CRDs that a test makes up."""

    def __init__(self) -> None:
        self.tell: Callable[[], None] | None = None
        self.hinder: Callable[[Stall | None], None] = lambda _: None
        self.watches = 0

    async def run(
        self, on_change: Callable[[], None], on_hindrance: Callable[[Stall | None], None]
    ) -> None:
        self.watches += 1
        self.tell, self.hinder = on_change, on_hindrance
        try:
            on_change()
            await anyio.sleep_forever()
        finally:
            self.tell = None

    def change(self) -> None:
        """Tell that a CRD changed; nobody hears it while there is no watch."""
        if self.tell:
            self.tell()


def ports(crds: FakeCrds, store: FakeStore, provider: FakeProvider, **others: Any) -> Ports:
    """Return all ports, in virtual time. Without jitter each pause is as long as it gets."""
    others = {"now": virtual.now, "jitter": lambda: 1.0} | others
    return Ports(crds, store, FakeProviders(provider), **others)
