"""The ports of `capscan.scan.ports` in memory, and small values to put into them.

`FakeStore` keeps the contract of tests/store/test_contract.py. What a fake must refuse or delay is
told to it by setting an attribute; what it saw is there to be read.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import anyio.lowlevel

from capscan.core.answer.capability import Entry
from capscan.core.answer.question import Question
from capscan.core.conditions import Stall
from capscan.core.crd.digest import Digest
from capscan.core.errors import (
    InvalidAnswer,
    NotFound,
    ProviderUnusable,
    ScanError,
    StoreRejected,
)
from capscan.core.merge_patch import merge_patch
from capscan.core.notice import Notice
from capscan.core.pace import Pace
from capscan.core.run.events import CrdReleased, ScanEvent
from capscan.model import (
    Analysis,
    Capability,
    CapabilityScan,
    Completion,
    Crd,
    CrdRef,
    FailedItem,
    ObjectMeta,
    Run,
    ScanStatus,
    StoredRef,
    Trigger,
    Usage,
)
from capscan.model.completion import NO_USAGE
from capscan.scan.engine import Slot
from capscan.scan.flight import Flight
from capscan.scan.ports import Ports, Render
from tests import virtual
from tests.providers import ESTIMATED, analysis


def name_of(n: int) -> str:
    """Names whose order is the order of their numbers."""
    return f"kind{n:04}.example.com"


def ref(name: str = "widgets.example.com", **changes: Any) -> CrdRef:
    """A CRD in a listing, with a UID made of its name."""
    return replace(CrdRef(name=name, uid=f"uid-{name}", generation=1), **changes)


def crd(name: str = "widgets.example.com", **changes: Any) -> Crd:
    """A CRD in full, the same that `ref` lists."""
    plural, _, group = name.partition(".")
    plain = Crd(
        name=name,
        uid=f"uid-{name}",
        generation=1,
        group=group,
        kind=plural.title(),
        plural=plural,
        singular=plural,
        scope="Namespaced",
        short_names=(),
        categories=(),
        version="v1",
        versions=("v1",),
        served=True,
        deprecated=False,
        schema={"type": "object", "description": f"A {plural}."},
    )
    return replace(plain, **changes)


def run(id: str = "r1", **changes: Any) -> Run:  # noqa: A002
    """A run that has begun and not ended."""
    plain = Run(
        id=id, trigger=Trigger.CREATED, inputs_hash="hash", owner="me", start_time=virtual.EPOCH
    )
    return plain.model_copy(update=changes)


def completion(answer: Analysis | None = None) -> Completion:
    """What the fake provider answers."""
    return Completion(answer or analysis(), FakeProvider.name, FakeProvider.model, "fake/1")


def failed_item(name: str = "widgets.example.com", reason: str = "Timeout") -> FailedItem:
    """A failure."""
    return FailedItem(
        name=name,
        reason=reason,
        message="it took too long",
        attempts=3,
        retryable=True,
        time=virtual.EPOCH,
    )


def scan(
    spec: dict[str, Any] | None = None,
    *,
    name: str = "all",
    uid: str = "scan-1",
    generation: int = 1,
    version: int = 1,
    annotations: dict[str, str] | None = None,
    status: dict[str, Any] | None = None,
) -> CapabilityScan:
    """A CapabilityScan as a watch brings it; `spec` and `status` are as a user writes them."""
    metadata = {
        "name": name,
        "uid": uid,
        "generation": generation,
        "resourceVersion": str(version),
        "annotations": annotations or {},
    }
    return CapabilityScan.from_wire({"metadata": metadata, "spec": spec or {}, "status": status})


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
        """As many CRDs as that."""
        return cls(crd(name_of(n)) for n in range(count))

    def add(self, one: Crd) -> None:
        """Create it, or put it in the place of its namesake."""
        self.by_name[one.name] = one

    def delete(self, name: str) -> None:
        """Delete it."""
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

    async def read(self, name: str) -> Crd:
        await anyio.lowlevel.checkpoint()
        if self.read_error:
            raise self.read_error
        if name not in self.by_name:
            raise NotFound(name)
        return self.by_name[name]


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


class FakeProvider:
    """Answers after `delay_s`, and `busy_s` of waiting for a turn; `replies` are used up first, one
    list for each CRD.
    """

    name = "fake"
    model = "fake/1"

    def __init__(
        self, replies: dict[str, list[Exception | None]] | None = None, delay_s: float = 0.0
    ) -> None:
        self.identity = "fake/1"
        self.is_priced = True
        self.fault: ProviderUnusable | None = None
        """Why it is not found."""
        self.usage = NO_USAGE
        self.estimated = ESTIMATED
        self.replies = replies or {}
        self.delay_s = delay_s
        self.busy_s = 0.0
        self.unreadable = 0
        """So many of the next answers are no analyses."""
        self.asked: Counter[str] = Counter()
        self.in_flight = 0
        self.in_flight_max = 0

    async def complete(self, question: Question, flight: Flight) -> Completion:
        name = question.digest.name
        await anyio.sleep(self.busy_s)
        self.asked[name] += 1
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            async with flight.request() as request:
                request.usage = self.usage
                await anyio.sleep(self.delay_s)
                script = self.replies.get(name)
                if script and (error := script.pop(0)):
                    raise error
        finally:
            self.in_flight -= 1
        if self.unreadable:
            self.unreadable -= 1
            raise InvalidAnswer("no analysis")
        return Completion(analysis(name), self.name, self.model, self.identity)

    def estimate(self, digest: Digest) -> Usage:  # noqa: ARG002
        return self.estimated

    def pace(self, flow: str, weight: int) -> Pace:  # noqa: ARG002
        return Pace()


class FakeProviders:
    """One that has any name, unless it says otherwise."""

    def __init__(self, provider: FakeProvider) -> None:
        self.provider = provider

    async def find(self, name: str) -> FakeProvider:  # noqa: ARG002
        if self.provider.fault:
            raise self.provider.fault
        return self.provider


class FakeStatus:
    """The status of one scan under resourceVersions, with every version that it ever had."""

    def __init__(self, seen: CapabilityScan) -> None:
        self.scan = seen
        self.versions: list[tuple[float, ScanStatus]] = []
        self.denied: Exception | None = None
        self.on_write: Callable[[CapabilityScan], None] = lambda _: None

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


class FreeSlot:
    """A slot of an engine that bounds nothing."""

    def __init__(self, name: str = "widgets.example.com") -> None:
        self.name = name
        self.events: list[ScanEvent] = []

    @property
    def usages(self) -> list[Usage]:
        """What each request that has ended took, in their order."""
        return [event.usage for event in self.events if isinstance(event, CrdReleased)]

    def permit(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def wait(self) -> None:
        pass

    def commit(self) -> None:
        pass

    def tell(self, event: ScanEvent) -> None:
        self.events.append(event)


def flight(slot: Slot | None = None) -> Flight:
    """A flight that may take as long as it likes."""
    return Flight(slot or FreeSlot(), lambda: math.inf)


class FakeEvents:
    """What was told, in order."""

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
        """Something changed; nobody hears it where there is no watch."""
        if self.tell:
            self.tell()


def ports(crds: FakeCrds, store: FakeStore, provider: FakeProvider, **others: Any) -> Ports:
    """All of them together, in virtual time, without jitter: each pause is as long as it gets."""
    return Ports(
        crds, store, FakeProviders(provider), now=virtual.now, jitter=lambda: 1.0, **others
    )
