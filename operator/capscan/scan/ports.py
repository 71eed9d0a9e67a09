"""What a run needs from outside, as Protocols.

The product composes them from `kube`, `store` and `inference`; tests and benchmarks compose their
own. A port raises the errors named here. Any other exception of an item is a bug: it is logged,
and the item fails with reason InternalError.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import anyio

from capscan.core.answer.capability import Entry
from capscan.core.answer.question import Question
from capscan.core.conditions import Stall
from capscan.core.crd.digest import Digest
from capscan.core.notice import Notice
from capscan.core.pace import Pace
from capscan.model import (
    Capability,
    CapabilityScan,
    Completion,
    Crd,
    CrdRef,
    ObjectMeta,
    ScanStatus,
    StoredRef,
    Usage,
)
from capscan.scan.flight import Flight

READS_MAX = 4
"""The largest CRDs take 3 MB as text and ten times that as objects, and parsing holds the
interpreter anyway: more at once would cost memory and gain nothing."""


class Answers(Protocol):
    """Where questions go. What fails is not tried again inside, but for what was not looked at:
    they wait for their turn as long as it takes.
    """

    @property
    def identity(self) -> str:
        """Part of every plan key: a changed identity makes stored answers stale."""
        ...

    async def complete(self, question: Question, flight: Flight) -> Completion:
        """Analyse one CRD; `flight` is told of each request. Raises InferenceError,
        ProviderUnusable.
        """
        ...


class Provider(Answers, Protocol):
    """Who answers, within the limits of its account."""

    @property
    def name(self) -> str:
        """Shown to users: the account or the program that answers."""
        ...

    @property
    def model(self) -> str:
        """Shown to users: the model, or the version of the rules."""
        ...

    @property
    def is_priced(self) -> bool:
        """Whether the cost in a Usage says what a request cost."""
        ...

    def estimate(self, digest: Digest) -> Usage:
        """About what asking about this CRD would cost; nothing is sent."""
        ...

    def pace(self, flow: str, weight: int) -> Pace:
        """How fast questions of this flow may go now."""
        ...


class Providers(Protocol):
    """The providers that a scan may name."""

    async def find(self, name: str) -> Provider:
        """The one of that name; without a name the offline analysis. Raises ProviderUnusable."""
        ...


class Crds(Protocol):
    """The CRDs of the cluster."""

    async def list_refs(self) -> list[CrdRef]:
        """All of them, by metadata alone. Raises ScanError."""
        ...

    async def read(self, name: str) -> Crd:
        """One in full. Raises NotFound, ScanError."""
        ...


class Store(Protocol):
    """Where analyses are kept, and with them the state of runs."""

    async def list_refs(self) -> list[StoredRef]:
        """All of them, by metadata alone. Raises ScanError."""
        ...

    async def read(self, name: str) -> Capability | None:
        """One in full. Raises ScanError."""
        ...

    async def check(self) -> None:
        """Raises ScanError where `write` would: before anything is asked that costs money."""
        ...

    async def write(self, entry: Entry) -> None:
        """Store it whole, or not at all. Raises StoreRejected, ScanError."""
        ...

    async def remove(self, stored: StoredRef) -> None:
        """Delete exactly this one, if it is still there. Raises ScanError."""
        ...


class Follow(Protocol):
    """Tells scans of changes to the cluster's CRDs, once those have come to rest."""

    @property
    def hindrance(self) -> Stall | None:
        """What keeps it from doing so in time; those that follow are told when that changes."""
        ...

    def join(self, follower: str, tell: Callable[[], None]) -> None:
        """Tell of changes from now on, and once by way of greeting."""
        ...

    def leave(self, follower: str) -> None:
        """Tell no more; one that never joined is content."""
        ...


class Unmoved:
    """A cluster in which nothing changes: for what looks at it once."""

    hindrance: Stall | None = None

    def join(self, follower: str, tell: Callable[[], None]) -> None:
        """Nothing will come."""

    def leave(self, follower: str) -> None:
        """Nothing to undo."""


class Events(Protocol):
    """Where notices for people go; telling never waits and never fails."""

    def tell(self, kind: str, about: ObjectMeta, notice: Notice) -> None:
        """Something happened to that object."""
        ...


class Silence:
    """Nobody listens."""

    def tell(self, kind: str, about: ObjectMeta, notice: Notice) -> None:
        """Nothing to do."""


class Render(Protocol):
    """From the newest status to the wanted one."""

    def __call__(self, previous: ScanStatus, /) -> ScanStatus:
        """Pure: it may be called again after a conflict."""
        ...


class ScanStatusSink(Protocol):
    """Where the status of one scan is written."""

    def observe(self, scan: CapabilityScan) -> bool:
        """Take note of a version that was seen; False if a newer one is known already."""
        ...

    async def update(self, render: Render) -> bool:
        """Make the status what `render` says; whether anything was sent. Raises ScanError."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who works on runs, and how it names new ones."""

    owner: str
    token: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Ports:
    """What every run of this process works with."""

    crds: Crds
    store: Store
    providers: Providers
    now: Callable[[], datetime]
    jitter: Callable[[], float]
    """Uniform in [0, 1]."""
    reads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(READS_MAX))
    """CRDs being read and digested at once, by all runs together."""
    follow: Follow = field(default_factory=Unmoved)
    events: Events = field(default_factory=Silence)
    hindrance: Callable[[], Stall | None] = lambda: None
    """What keeps this process from seeing capscan's own objects change."""
