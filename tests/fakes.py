"""Small values for tests of scans, and a provider in memory.

The cluster around them is in `fake_cluster.py`.
"""

import math
from collections import Counter
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel

from capscan.core.answer.question import Question
from capscan.core.crd.digest import Digest
from capscan.core.errors import InvalidAnswer, ProviderUnusable
from capscan.core.pace import Pace
from capscan.core.run.events import CrdReleased, ScanEvent
from capscan.model import (
    Analysis,
    CapabilityScan,
    Completion,
    Crd,
    CrdRef,
    FailedItem,
    ObjectMeta,
    Run,
    Trigger,
    Usage,
)
from capscan.model.completion import NO_USAGE
from capscan.scan.engine import Slot
from capscan.scan.flight import Flight
from tests import virtual
from tests.providers import ESTIMATED, analysis


def name_of(n: int) -> str:
    """Return a name; the order of names is the order of their numbers."""
    return f"kind{n:04}.example.com"


def ref(name: str = "widgets.example.com", **changes: Any) -> CrdRef:
    """Return a CRD as a listing has it, with a UID made of its name."""
    return replace(CrdRef(name=name, uid=f"uid-{name}", generation=1), **changes)


def crd(name: str = "widgets.example.com", **changes: Any) -> Crd:
    """Return a CRD in full, the same that `ref` lists."""
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
    """Return a run that has begun and not ended."""
    plain = Run(
        id=id, trigger=Trigger.CREATED, inputs_hash="hash", owner="me", start_time=virtual.EPOCH
    )
    return plain.model_copy(update=changes)


def completion(answer: Analysis | None = None) -> Completion:
    """Return what the fake provider answers."""
    return Completion(answer or analysis(), FakeProvider.name, FakeProvider.model, "fake/1")


def failed_item(name: str = "widgets.example.com", reason: str = "Timeout") -> FailedItem:
    """Return an item that failed after three attempts."""
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
    """Return a CapabilityScan as a watch brings it; a user writes `spec` and `status` so."""
    metadata = {
        "name": name,
        "uid": uid,
        "generation": generation,
        "resourceVersion": str(version),
        "annotations": annotations or {},
    }
    return CapabilityScan.from_wire({"metadata": metadata, "spec": spec or {}, "status": status})


class FakeProvider:
    """Answers after `busy_s` of waiting for a turn and `delay_s` of work. `replies` are used up
    first; each CRD has a list of its own.
    """

    name = "fake"
    model = "fake/1"

    def __init__(
        self, replies: dict[str, list[Exception | None]] | None = None, delay_s: float = 0.0
    ) -> None:
        self.identity = "fake/1"
        self.is_priced = True
        self.fault: ProviderUnusable | None = None
        """Why the provider is not found."""
        self.usage = NO_USAGE
        self.estimated = ESTIMATED
        self.replies = replies or {}
        self.delay_s = delay_s
        self.busy_s = 0.0
        self.unreadable = 0
        """How many of the next answers are no analyses."""
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
    """Finds one provider under any name, unless that has a fault."""

    def __init__(self, provider: FakeProvider) -> None:
        self.provider = provider

    async def find(self, name: str, scan: ObjectMeta) -> FakeProvider:  # noqa: ARG002
        if self.provider.fault:
            raise self.provider.fault
        return self.provider


class FreeSlot:
    """The slot of an item in an engine that bounds nothing."""

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
    """Return a flight that may take as long as it likes."""
    return Flight(slot or FreeSlot(), lambda: math.inf)
