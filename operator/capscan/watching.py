"""Keeps the watch of capscan's own objects alive, and hands on what it tells.

The watch itself is given from above (`handlers.py`): it may end and be started again at any time,
and nobody who works on the objects notices. What it tells goes through an inbox that keeps only the
newest version of each object; from there it goes to `kube/known.py`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from pydantic import ValidationError

from capscan.core.conditions import Stall
from capscan.core.errors import MissingPermission
from capscan.core.kube_errors import Forbidden, KubeError, NotFound
from capscan.core.retry import stepped_s
from capscan.kube.client import KubeClient
from capscan.kube.credentials import Credentials
from capscan.kube.inbox import Inbox
from capscan.kube.kinds import check_watch, list_kind, list_uids
from capscan.kube.known import Worker
from capscan.kube.transport import Json
from capscan.kube.watcher import Watch, Watcher
from capscan.serve.probes import Health

logger = logging.getLogger(__name__)

WATCH_RESTART_S = (1.0, 2.0, 5.0, 10.0)
"""Pauses before an ended watch is started again; the last one repeats."""

WATCH_HEALTHY_S = 60.0
"""A watch that lived longer is started again with the first pause."""
KINDS_POLL_S = 2.0
"""How often it is tried again what cannot be listed or watched."""
SETTLE_S = 2.0
"""After the first object of a listing by the watch, the others have come too."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One kind, and who is told of its objects."""

    plural: str
    parse: Callable[[Json], Any]
    """Read one object. Raises pydantic's ValidationError."""
    objects: Worker[Any]


class Watching:
    """Runs the watch for ever.

    Health says at any time whether objects are watched. `on_hindrance` is called when `hindrance`
    has changed.
    """

    def __init__(
        self,
        client: KubeClient,
        watch: Watch,
        kinds: Sequence[Watched],
        health: Health,
        on_hindrance: Callable[[], None],
    ) -> None:
        self._client = client
        self._watch = watch
        self._kinds = {kind.plural: kind for kind in kinds}
        self._health = health
        self._inbox = Inbox()
        self._on_hindrance = on_hindrance
        self._refused = anyio.Event()
        self._listed = anyio.Event()
        self._silent: set[str] = set()
        """The plurals whose watch has not been established since it was started."""
        self.hindrance: Stall | None = None
        """Why objects may not be watched; while that is so, they are listed again and again."""

    async def run(self) -> None:
        """Keep watching until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._deliver)
            group.start_soon(self._keep_watching)

    async def _deliver(self) -> None:
        while True:
            for (plural, uid), body in (await self._inbox.take()).items():
                try:
                    _tell(self._kinds[plural], uid, body)
                except Exception:
                    logger.exception("cannot read one object of %s; it is skipped", plural)

    async def _keep_watching(self) -> None:
        health, failures = self._health, 0
        while True:
            for plural, count in (await self._until_watchable()).items():
                logger.info("watching %s; there are %d", plural, count)
            health.ready, health.reason = False, "the watch of capscan's objects is being started"
            self._silent = set(self._kinds)
            began_s = anyio.current_time()
            try:
                await self._watch_until_refused()
            except Exception:
                logger.exception("the watch ended by a bug; it is started again")
            health.ready, health.reason = False, "the watch of capscan's objects is being restarted"
            health.watch_loop_seen_s = None
            failures = 0 if anyio.current_time() - began_s > WATCH_HEALTHY_S else failures + 1
            pause_s = restart_pause_s(failures)
            logger.info("the watch ended; starting it again in %.0f s", pause_s)
            await anyio.sleep(pause_s)

    async def _until_watchable(self) -> dict[str, int]:
        """Return how many objects there are of each kind, once all kinds may be watched. Until then
        they are listed again and again: changes come late, but they come.
        """
        while True:
            counts = {kind.plural: await self._take_stock(kind) for kind in self._kinds.values()}
            refusal = await self._refusal()
            if refusal:
                self._health.ready, self._health.reason = False, refusal.message
            if refusal != self.hindrance:
                self.hindrance = refusal
                self._on_hindrance()
                if refusal:
                    logger.warning("%s", refusal.message)
            if refusal is None:
                return counts
            await anyio.sleep(KINDS_POLL_S)

    async def _take_stock(self, kind: Watched) -> int:
        """Tell of every object that is there, and of those that are gone: the watch told nothing of
        a deletion that fell between two of its streams. Return how many are there.
        """
        # The watch would tell of them too, but later and in any order: scans need the providers
        # that they name.
        uids = await self._until_listed(kind.plural)
        kind.objects.retain(uids, "")
        return len(uids)

    async def _refusal(self) -> Stall | None:
        """Return why a kind may not be watched, or None. The watch itself finds any other fault."""
        for plural in self._kinds:
            try:
                await check_watch(self._client, plural)
            except MissingPermission as error:
                return Stall(error.reason, str(error))
            except KubeError as error:
                logger.debug("%s cannot be watched now: %s", plural, error)
        return None

    async def _watch_until_refused(self) -> None:
        """Watch until the stream breaks, or until the right to watch is taken away: the watch would
        go on asking for ever, and see nothing.
        """
        async with anyio.create_task_group() as group:
            group.start_soon(self._cancel_if_refused, group.cancel_scope)
            group.start_soon(self._notice_deletions)
            await self._watch(self._watcher())
            group.cancel_scope.cancel()

    async def _cancel_if_refused(self, watch: anyio.CancelScope) -> None:
        while True:
            self._refused = anyio.Event()
            await self._refused.wait()
            if await self._refusal():
                watch.cancel()

    async def _notice_deletions(self) -> None:
        """Each time the watch has listed again, list too, and tell of what is gone."""
        while True:
            await self._listed.wait()
            await anyio.sleep(SETTLE_S)
            self._listed = anyio.Event()
            for kind in self._kinds.values():
                with contextlib.suppress(KubeError):  # the watch fails too, and is started again
                    uids, version = await list_uids(self._client, kind.plural)
                    kind.objects.retain(uids, version)

    async def _until_listed(self, plural: str) -> list[str]:
        """Tell of all objects of a kind, once they can be listed, and return their UIDs. Each
        reason why they cannot is logged once.

        No watch is begun before: kopf would overlook a kind that is installed later.
        """
        logged = ""
        while True:
            try:
                uids, _ = await list_kind(
                    self._client,
                    plural,
                    lambda body: self._inbox.put(plural, body["metadata"]["uid"], body),
                )
                return uids
            except NotFound:
                reason = f"{plural} are not installed; waiting for: kubectl apply -k crds/"
            except Forbidden as error:
                reason = f"the operator may not list {plural}: {error}"
            except KubeError as error:
                reason = f"{plural} cannot be listed: {error}"
            if reason != logged:
                logger.warning("%s", reason)
            self._health.ready, self._health.reason, logged = False, reason, reason
            await anyio.sleep(KINDS_POLL_S)

    def _watcher(self) -> Watcher:
        loop = asyncio.get_running_loop()

        def seen(plural: str, body: Json) -> None:
            loop.call_soon_threadsafe(self._inbox.put, plural, body["metadata"]["uid"], body)

        def deleted(plural: str, body: Json) -> None:
            loop.call_soon_threadsafe(self._inbox.put, plural, body["metadata"]["uid"], None)

        def listed() -> None:
            loop.call_soon_threadsafe(self._listed.set)

        def beat() -> None:
            loop.call_soon_threadsafe(self._health.beat)

        def refused() -> None:
            loop.call_soon_threadsafe(self._refused.set)

        def established(plural: str) -> None:
            loop.call_soon_threadsafe(self._note_stream, plural)

        async def login(refused: Credentials | None) -> Credentials:
            asked = asyncio.run_coroutine_threadsafe(self._client.login(refused), loop)
            return await asyncio.wrap_future(asked)

        return Watcher(
            plurals=tuple(self._kinds),
            seen=seen,
            deleted=deleted,
            listed=listed,
            established=established,
            login=login,
            beat=beat,
            refused=refused,
        )

    def _note_stream(self, plural: str) -> None:
        """Be ready once every kind is watched."""
        self._silent.discard(plural)
        if not self._silent and self.hindrance is None:
            self._health.ready, self._health.reason = True, ""


def restart_pause_s(failures: int) -> float:
    """Return the pause before the watch is started again; `failures` counts the watches in a row
    that ended early.
    """
    return stepped_s(WATCH_RESTART_S, failures)


def _tell(kind: Watched, uid: str, body: Json | None) -> None:
    """Tell of one object; an object that cannot be understood is logged."""
    if body is None or "deletionTimestamp" in body["metadata"]:
        # A finalizer of somebody else may still hold it, but nobody wants anything more of it.
        kind.objects.remove(uid)
        return
    try:
        seen = kind.parse(body)
    except ValidationError as error:
        name = body["metadata"].get("name")
        logger.error("%s/%s: this version does not understand it: %s", kind.plural, name, error)
    else:
        kind.objects.observe(seen)
