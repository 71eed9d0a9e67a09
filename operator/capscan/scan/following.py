"""Keeps up with the cluster: one watch of CRDs serves all scans that follow them, and there is none
while no scan does. What a change means to a scan, the scan finds out.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio

from capscan.core.answer import capability
from capscan.core.conditions import Stall
from capscan.core.errors import ItemError, ProviderUnusable, ScanError
from capscan.core.kube_errors import KubeError, NotFound
from capscan.core.run.burst import Burst, grown
from capscan.core.run.plan import PlannedItem, fingerprint, lineage, plan, plan_key
from capscan.model import CapabilityScan, Refresh, Run, ScanSpec
from capscan.scan.mode import mode_of
from capscan.scan.ports import Ports
from capscan.scan.reading import Reading

QUIET_ITEMS_MAX = 50
"""A run is begun for more changed CRDs than these; for fewer it is first looked whether their
questions have changed. A CA bundle in a CRD may be another one every few seconds."""

logger = logging.getLogger(__name__)


class CrdNews(Protocol):
    """Brings news of CRDs."""

    async def run(
        self, on_change: Callable[[], None], on_hindrance: Callable[[Stall | None], None], /
    ) -> object:
        """Go on until cancelled. Call `on_change` once the CRDs are known, and at each change, and
        `on_hindrance` with what keeps it from seeing them, and with None once nothing does.
        """
        ...


class Following:
    """Implements the port `Follow`; `run` is its task."""

    def __init__(self, news: CrdNews) -> None:
        self._news = news
        self._followers: dict[str, Callable[[], None]] = {}
        self._turned = anyio.Event()
        self._is_known = False
        self._burst: Burst | None = None
        self._begun = anyio.Event()
        self._hindrance: Stall | None = None

    @property
    def hindrance(self) -> Stall | None:
        """What keeps it from telling of changes in time."""
        return self._hindrance

    def join(self, follower: str, tell: Callable[[], None]) -> None:
        """Call `tell` at changes from now on, and once at the beginning."""
        if follower in self._followers:
            return
        self._followers[follower] = tell
        self._turned.set()
        if self._is_known:
            tell()

    def leave(self, follower: str) -> None:
        """Tell that follower no more. One that never joined may leave, too."""
        if self._followers.pop(follower, None):
            self._turned.set()

    async def run(self) -> None:
        """Watch while there are followers, until cancelled."""
        while True:
            await self._until(lambda: bool(self._followers))
            async with anyio.create_task_group() as group:
                group.start_soon(self._news.run, self._on_change, self._on_hindrance)
                group.start_soon(self._tell)
                await self._until(lambda: not self._followers)
                group.cancel_scope.cancel()
            self._is_known, self._burst, self._begun = False, None, anyio.Event()
            self._hindrance = None

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._turned = anyio.Event()
            await self._turned.wait()

    def _on_change(self) -> None:
        self._is_known = True
        self._burst = grown(self._burst, anyio.current_time())
        self._begun.set()

    def _on_hindrance(self, hindrance: Stall | None) -> None:
        # Followers are told at once, since a scan shows it in its status.
        self._hindrance = hindrance
        self._tell_all()

    def _tell_all(self) -> None:
        for tell in list(self._followers.values()):
            tell()

    async def _tell(self) -> None:
        while True:
            await self._begun.wait()
            over_s = 0.0
            while self._burst and self._burst.over_s != over_s:
                over_s = self._burst.over_s
                await anyio.sleep_until(over_s)
            self._burst, self._begun = None, anyio.Event()
            self._tell_all()


class Lookout:
    """Knows for one scan whether the cluster has news, and whether that makes work."""

    def __init__(self, ports: Ports, wake: Callable[[], None]) -> None:
        self._ports = ports
        self._wake = wake
        self.has_news = False
        """Whether CRDs have changed. Whoever is about to list them sets it back."""
        self._joined = False

    @property
    def hindrance(self) -> Stall | None:
        """What keeps the scan from following as it should."""
        return self._ports.follow.hindrance if self._joined else None

    def attend(self, scan: CapabilityScan) -> None:
        """Join or leave, as the spec wants it and its mode has use for it."""
        if scan.spec.follow and mode_of(dry_run=scan.spec.dry_run).follows:
            self._ports.follow.join(scan.metadata.uid, self._tell)
            self._joined = True
        else:
            self.leave(scan)

    def leave(self, scan: CapabilityScan) -> None:
        """Follow no longer."""
        self._ports.follow.leave(scan.metadata.uid)
        self.has_news = self._joined = False

    async def is_behind(self, scan: CapabilityScan, run: Run, changed: anyio.Event) -> bool:
        """Return whether news makes work for a run after `run`. If something `changed` before that
        is known, the answer is no and the news stays. If it cannot be found out, the answer is yes:
        the run stalls at the same error, and says so. A scan that is suspended looks later.
        """
        if scan.spec.suspend or not self.has_news:
            return False
        self.has_news = False
        found: bool | None = True
        try:
            found = await unless(changed, lambda: _is_behind(self._ports, scan, run))
        except* (ScanError, KubeError) as errors:
            name = scan.metadata.name
            logger.warning(
                "%s: %s", name, errors.exceptions[0], extra={"scan": name, "run": run.id}
            )
        self.has_news |= found is None
        return bool(found)

    def _tell(self) -> None:
        self.has_news = True
        self._wake()


async def _is_behind(ports: Ports, scan: CapabilityScan, run: Run) -> bool | None:
    """Return whether a run would find anything to ask or to remove, by two listings, and by reading
    the few CRDs that have changed. None if that cannot be said
    before somebody mends the provider. Raises ScanError, KubeError.

    `run` is the last one: what it settled, under `refresh: Always` too, is not done again.
    """
    try:
        provider = await ports.providers.find(scan.spec.provider_ref.name, scan.metadata)
    except ProviderUnusable as error:
        logger.warning("CRDs have changed, and nobody can be asked about them: %s", error)
        return None
    stored = await ports.store.list_refs()
    todo = plan(await ports.crds.list_refs(), stored, scan.spec, run, provider.identity)
    if todo.orphaned or len(todo.pending) > QUIET_ITEMS_MAX:
        return True
    for item in todo.pending:
        if not await _settled_quietly(ports, scan.spec, run, item, provider.identity):
            return True
    return False


async def _settled_quietly(
    ports: Ports, spec: ScanSpec, run: Run, item: PlannedItem, identity: str
) -> bool:
    """Take note of a CRD that has changed where that changes nothing of the question, and return
    True. Otherwise return False: a run has to look at it. Raises ScanError, KubeError.

    Under `refresh: Always` the stored answer counts too, where the last run gave it.
    """
    if item.stored is None:
        return False
    if lineage(item.stored.run_id or "") == lineage(run.id):
        spec = spec.model_copy(update={"refresh": Refresh.IF_CHANGED})
    reading = Reading(item)
    try:
        crd, digest = await reading.read(ports)
        kept = await reading.kept(ports, lambda: spec, fingerprint(digest, identity))
        if kept is None:
            return False
        known, stored = kept
        key = plan_key(capability.ref_of(crd), identity)
        await ports.store.write(capability.unchanged(crd, known, key, stored.run_id))
    except NotFound:
        return True
    except ItemError:
        return False
    return True


async def unless(changed: anyio.Event, check: Callable[[], Awaitable[bool | None]]) -> bool | None:
    """Return the answer of `check`; None if `changed` came first, and it no longer matters."""
    found: bool | None = None

    async def give_up() -> None:
        await changed.wait()
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(give_up)
        found = await check()
        group.cancel_scope.cancel()
    return found
