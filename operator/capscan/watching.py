"""Keeps the watch of capscan's own objects alive, and hands on what it brings.

The watch itself is given from above (`handlers.py`): it may end and be started again at any time,
and nobody downstream notices. What it brings goes through an inbox that keeps only the newest word
about each object.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
from pydantic import ValidationError

from capscan.core.conditions import Stall
from capscan.core.errors import Forbidden, KubeError, MissingPermission, NotFound
from capscan.core.retry import stepped_s
from capscan.kube.client import KubeClient
from capscan.kube.config import Credentials
from capscan.kube.kinds import check_watch, list_kind
from capscan.kube.transport import Json
from capscan.serve.probes import Health

logger = logging.getLogger(__name__)

WATCH_RESTART_S = (1.0, 2.0, 5.0, 10.0)
"""Pauses before an ended watch is started again; the last one repeats."""

WATCH_HEALTHY_S = 60.0
KINDS_POLL_S = 2.0
SETTLE_S = 2.0
"""After the first object of a listing by the watch, the others have come too."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One kind, and who wants to know about its objects."""

    plural: str
    parse: Callable[[Json], Any]
    observe: Callable[[Any], None]
    """An object as it now is."""
    remove: Callable[[str], None]
    """The object of that UID is gone."""
    retain: Callable[[Iterable[str], str], None]
    """Only the objects of these UIDs are there: what else was known is gone, but for what came
    after the version that is said.
    """


@dataclass(frozen=True, slots=True)
class Watcher:
    """What a watch may call; all but `login` from any thread."""

    plurals: Sequence[str]
    """The kinds to watch."""
    seen: Callable[[str, Json], None]
    """An object of this plural as it now is."""
    deleted: Callable[[str, Json], None]
    """An object of this plural that is gone."""
    listed: Callable[[], None]
    """The watch had to list again: what was deleted meanwhile it does not tell."""
    login: Callable[[], Awaitable[Credentials]]
    """Credentials, read anew; from any event loop."""
    beat: Callable[[], None]
    """The watch's event loop turns."""
    refused: Callable[[], None]
    """Requests fail again and again: it may be for a right that is missing."""


class Watch(Protocol):
    """A stream of changes to objects."""

    async def __call__(self, watcher: Watcher) -> None:
        """Report every object there is, then every change, until the stream breaks."""
        ...


@dataclass(slots=True)
class Inbox:
    """The newest word about each object that was not delivered yet: bounded by their number."""

    _bodies: dict[tuple[str, str], Json | None] = field(default_factory=dict)
    _filled: anyio.Event = field(default_factory=anyio.Event)

    def put(self, plural: str, uid: str, body: Json | None) -> None:
        """What there is to know; None where the object is gone."""
        self._bodies[plural, uid] = body
        self._filled.set()

    async def take(self) -> dict[tuple[str, str], Json | None]:
        """Everything that came since the last time, once there is something."""
        await self._filled.wait()
        self._filled = anyio.Event()
        bodies, self._bodies = self._bodies, {}
        return bodies


class Watching:
    """Runs the watch for ever."""

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
        self.hindrance: Stall | None = None
        """Why objects are not watched; they are listed again and again instead."""

    async def run(self) -> None:
        """Until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._deliver)
            group.start_soon(self._keep_watching)

    async def _deliver(self) -> None:
        while True:
            for (plural, uid), body in (await self._inbox.take()).items():
                try:
                    self._hand_on(self._kinds[plural], uid, body)
                except Exception:
                    logger.exception("the news of one of %s could not be taken in", plural)

    def _hand_on(self, kind: Watched, uid: str, body: Json | None) -> None:
        if body is None or "deletionTimestamp" in body["metadata"]:
            # Whatever finalizer of others still holds it: nobody wants anything more of it.
            kind.remove(uid)
        elif (found := _parse(kind, body)) is not None:
            kind.observe(found)

    async def _keep_watching(self) -> None:
        health, failures = self._health, 0
        while True:
            for plural, count in (await self._until_watchable()).items():
                logger.info("watching %s; there are %d", plural, count)
            health.ready, health.reason = True, ""
            began_s = anyio.current_time()
            try:
                await self._watch_until_refused()
            except Exception:
                logger.exception("the watch ended by a bug")
            health.ready, health.reason = False, "the watch of capscan's objects is being restarted"
            health.watch_loop_seen_s = None
            failures = 0 if anyio.current_time() - began_s > WATCH_HEALTHY_S else failures + 1
            pause_s = restart_pause_s(failures)
            logger.info("the watch ended; starting it again in %.0f s", pause_s)
            await anyio.sleep(pause_s)

    async def _until_watchable(self) -> dict[str, int]:
        """List everything until all of it may be watched: so without that right changes come late,
        but they come. How many objects there are of each kind.
        """
        while True:
            counts = {kind.plural: await self._taken_stock(kind) for kind in self._kinds.values()}
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

    async def _taken_stock(self, kind: Watched) -> int:
        """A deletion during a gap between two watches brings no event: compare."""
        bodies, _ = await self._until_listed(kind.plural)
        kind.retain((body["metadata"]["uid"] for body in bodies), "")
        # At once and in order: scans need the providers that they name.
        for body in bodies:
            self._inbox.put(kind.plural, body["metadata"]["uid"], body)
        return len(bodies)

    async def _refusal(self) -> Stall | None:
        """Why a kind may not be watched. What else is wrong the watch itself will find."""
        for plural in self._kinds:
            try:
                await check_watch(self._client, plural)
            except MissingPermission as error:
                return Stall(error.reason, str(error))
            except KubeError as error:
                logger.debug("%s cannot be watched now: %s", plural, error)
        return None

    async def _watch_until_refused(self) -> None:
        """A watch whose right was taken away would ask for it for ever, and see nothing."""
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
        """Those that a listing by the watch passed over."""
        while True:
            await self._listed.wait()
            await anyio.sleep(SETTLE_S)
            self._listed = anyio.Event()
            for kind in self._kinds.values():
                with contextlib.suppress(KubeError):  # then the watch fails too, and begins anew
                    bodies, version = await list_kind(self._client, kind.plural)
                    kind.retain((body["metadata"]["uid"] for body in bodies), version)

    async def _until_listed(self, plural: str) -> tuple[list[Json], str]:
        """All objects of a kind, once they can be listed; what prevents it is said once.

        Without its kind no watch is begun: kopf would overlook a kind that comes later.
        """
        said = ""
        while True:
            try:
                return await list_kind(self._client, plural)
            except NotFound:
                reason = f"{plural} are not installed; waiting for: kubectl apply -k crds/"
            except Forbidden as error:
                reason = f"the operator may not list {plural}: {error}"
            except KubeError as error:
                reason = f"{plural} cannot be listed: {error}"
            if reason != said:
                logger.warning("%s", reason)
            self._health.ready, self._health.reason, said = False, reason, reason
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

        return Watcher(tuple(self._kinds), seen, deleted, listed, self._client.login, beat, refused)


def restart_pause_s(failures: int) -> float:
    """The pause before the watch is started again; `failures` counts those that ended early."""
    return stepped_s(WATCH_RESTART_S, failures)


def _parse(kind: Watched, body: Json) -> Any | None:  # noqa: ANN401
    try:
        return kind.parse(body)
    except ValidationError as error:
        name = body["metadata"].get("name")
        logger.error("%s/%s: nothing this version understands: %s", kind.plural, name, error)
        return None
