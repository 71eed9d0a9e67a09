"""Says what a run needs from outside, as Protocols.

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
from capscan.core.crd.digested import DigestedCrd
from capscan.core.notice import Notice
from capscan.core.pace import Pace
from capscan.model import (
    Capability,
    CapabilityScan,
    Completion,
    CrdRef,
    ObjectMeta,
    ScanStatus,
    StoredRef,
    Usage,
)
from capscan.scan.flight import Flight

READS_MAX = 4
"""The largest CRDs take 3 MB as text and ten times that as objects, and few are digested at once:
more would cost memory and gain nothing."""


class Answers(Protocol):
    """Takes questions. What failed is not tried again inside, unless it was not looked at: such a
    question waits for its next turn as long as it takes.
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
    """Answers, within the limits of its account."""

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
        """Return about what a question about this CRD would cost; nothing is sent."""
        ...

    def pace(self, flow: str, weight: int) -> Pace:
        """Return how fast questions of this flow may go now."""
        ...


class Providers(Protocol):
    """The providers that a scan may name."""

    async def find(self, name: str, scan: ObjectMeta) -> Provider:
        """Return the provider of that name for that scan; without a name the offline analysis.
        Raises ProviderUnusable, where the scan may not ask it too.
        """
        ...


class Crds(Protocol):
    """The CRDs of the cluster."""

    async def list_refs(self) -> list[CrdRef]:
        """List all CRDs, by metadata alone. Raises ScanError."""
        ...

    async def read(self, name: str) -> DigestedCrd:
        """Read one CRD and digest it. Raises NotFound, CrdUnreadable, DigestFailed, ScanError."""
        ...


class Store(Protocol):
    """Keeps analyses, and with them the state of runs."""

    async def list_refs(self) -> list[StoredRef]:
        """List all Capabilities, by metadata alone. Raises ScanError."""
        ...

    async def read(self, name: str) -> Capability | None:
        """Read one Capability in full; None if there is none. Raises ScanError."""
        ...

    async def check(self) -> None:
        """Raise the ScanError that `write` would, before anything is asked that costs money."""
        ...

    async def write(self, entry: Entry) -> None:
        """Store the entry whole, or not at all. Raises StoreRejected, ScanError."""
        ...

    async def remove(self, stored: StoredRef) -> None:
        """Delete exactly this one, if it is still there. Raises ScanError."""
        ...


class Follow(Protocol):
    """Tells scans of changes to the cluster's CRDs, once those have come to rest."""

    @property
    def hindrance(self) -> Stall | None:
        """What keeps it from telling in time; the followers are told when that changes."""
        ...

    def join(self, follower: str, tell: Callable[[], None]) -> None:
        """Call `tell` at changes from now on, and once at the beginning."""
        ...

    def leave(self, follower: str) -> None:
        """Tell that follower no more. One that never joined may leave, too."""
        ...


class Unmoved:
    """Implements `Follow` for a cluster in which nothing changes: it is looked at once."""

    hindrance: Stall | None = None

    def join(self, follower: str, tell: Callable[[], None]) -> None:
        """Nothing will come."""

    def leave(self, follower: str) -> None:
        """Nothing to undo."""


class Events(Protocol):
    """Takes notices for people. Telling never waits and never fails."""

    def tell(self, kind: str, about: ObjectMeta, notice: Notice) -> None:
        """Tell what happened to that object."""
        ...


class Silence:
    """Implements `Events` where nobody listens."""

    def tell(self, kind: str, about: ObjectMeta, notice: Notice) -> None:
        """Nothing to do."""


class Render(Protocol):
    """Makes the wanted status from the newest one."""

    def __call__(self, previous: ScanStatus, /) -> ScanStatus:
        """Render. This is pure: it may be called again after a conflict."""
        ...


class ScanStatusSink(Protocol):
    """Takes the status of one scan."""

    def observe(self, scan: CapabilityScan) -> bool:
        """Take note of a version that was seen. Return False if a newer one is known already."""
        ...

    async def update(self, render: Render) -> bool:
        """Write what `render` makes. Return whether anything was sent. Raises ScanError."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Names who works on runs, and the runs that it begins."""

    owner: str
    token: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that the runs of this process work with."""

    crds: Crds
    store: Store
    providers: Providers
    now: Callable[[], datetime]
    jitter: Callable[[], float]
    """Uniform in [0, 1]."""
    reads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(READS_MAX))
    """Bounds how many CRDs all runs together read and digest at once."""
    follow: Follow = field(default_factory=Unmoved)
    events: Events = field(default_factory=Silence)
    hindrance: Callable[[], Stall | None] = lambda: None
    """What keeps this process from seeing capscan's own objects change."""
