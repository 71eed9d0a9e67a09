"""The composition root: settings in, a running operator out; owns the task groups.

Scans are worked on by controllers, one task each. What feeds them, a watch, is given from above
(`handlers.py`): it may end and be started again at any time, and no run notices.
"""

import asyncio
import logging
import os
import random
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import anyio
from pydantic import ValidationError

from capscan.core.errors import Forbidden, KubeError, NotFound
from capscan.kube.client import KubeClient
from capscan.kube.config import Credentials
from capscan.kube.crds import CrdSource
from capscan.kube.scans import StatusWriter, list_scans
from capscan.kube.transport import Json
from capscan.model import CapabilityScan
from capscan.scan.controller import Identity, ScanController
from capscan.scan.controllers import Controllers
from capscan.scan.ports import Ports, Provider
from capscan.serve.probes import Health, serve_probes
from capscan.settings import Settings
from capscan.store.capabilities import CapabilityStore

logger = logging.getLogger(__name__)

WATCH_RESTART_S = (1.0, 2.0, 5.0, 10.0)
"""Pauses before an ended watch is started again; the last one repeats."""

WATCH_HEALTHY_S = 60.0
KINDS_POLL_S = 2.0
CLOSE_MARGIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Watcher:
    """What a watch may call; the first two from any thread."""

    seen: Callable[[Json], None]
    """A CapabilityScan as it now is."""
    deleted: Callable[[Json], None]
    """A CapabilityScan that is gone."""
    login: Callable[[], Awaitable[Credentials]]
    """Credentials, read anew; from any event loop."""
    beat: Callable[[], None]
    """The watch's event loop turns; from any thread."""


def restart_pause_s(failures: int) -> float:
    """The pause before the watch is started again; `failures` counts those that ended early."""
    return WATCH_RESTART_S[min(failures, len(WATCH_RESTART_S) - 1)]


class Watch(Protocol):
    """A stream of CapabilityScans."""

    async def __call__(self, watcher: Watcher) -> None:
        """Report every scan there is, then every change, until the stream breaks."""
        ...


@dataclass(frozen=True)
class _Only:
    provider: Provider

    async def find(self, name: str) -> Provider:
        return self.provider


class Application:
    """One operator process."""

    def __init__(self, settings: Settings, *, offline: Provider, watch: Watch) -> None:
        self._settings = settings
        self._client = KubeClient(settings.cluster)
        self._watch = watch
        self._identity = Identity(
            owner=f"{os.environ.get('POD_NAME') or socket.gethostname()}/{secrets.token_hex(4)}",
            token=lambda: secrets.token_hex(4),
        )
        self._ports = Ports(
            crds=CrdSource(self._client),
            store=CapabilityStore(self._client),
            providers=_Only(offline),
            now=lambda: datetime.now(UTC),
            jitter=random.random,
        )
        self._inbox: dict[str, Json | None] = {}
        self._inbox_filled = anyio.Event()

    async def connect(self) -> None:
        """Find the cluster. Raises NoCluster."""
        await self._client.connect()

    async def run(self, stop: anyio.Event) -> None:
        """Work until `stop` is set, then end within the drain time."""
        health = Health(clock=anyio.current_time)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._client.close)
            if self._settings.probe_port is not None:
                await stack.enter_async_context(serve_probes(health, self._settings.probe_port))
            async with anyio.create_task_group() as group:
                controllers = Controllers(group, self._controller)
                group.start_soon(self._deliver, controllers)
                group.start_soon(self._keep_watching, controllers, health)
                await stop.wait()
                await self._close(controllers)
                group.cancel_scope.cancel()

    async def _close(self, controllers: Controllers) -> None:
        logger.info("stopping: items in flight have %.0f s to finish", self._settings.drain_seconds)
        with anyio.move_on_after(self._settings.drain_seconds + CLOSE_MARGIN_S) as scope:
            await controllers.close(self._settings.drain_seconds)
        if scope.cancelled_caught:
            logger.warning("gave up on the last status: the API server did not take it in time")

    def _controller(self, scan: CapabilityScan) -> ScanController:
        sink = StatusWriter(self._client, scan)
        return ScanController(scan, sink, self._ports, self._identity)

    async def _keep_watching(self, controllers: Controllers, health: Health) -> None:
        """Run the watch for ever; while the kinds are missing, wait for them and say so."""
        failures = 0
        while True:
            # A deletion during a gap between two watches brings no event: compare.
            bodies = await self._until_listed(health)
            controllers.retain(body["metadata"]["uid"] for body in bodies)
            health.ready, health.reason = True, ""
            logger.info("watching CapabilityScans; there are %d", len(bodies))
            began_s = anyio.current_time()
            try:
                await self._watch(self._watcher(health))
            except Exception:
                logger.exception("the watch ended by a bug")
            health.ready, health.reason = False, "the watch of CapabilityScans is being restarted"
            health.watch_loop_seen_s = None
            failures = 0 if anyio.current_time() - began_s > WATCH_HEALTHY_S else failures + 1
            pause_s = restart_pause_s(failures)
            logger.info("the watch of CapabilityScans ended; starting it again in %.0f s", pause_s)
            await anyio.sleep(pause_s)

    async def _until_listed(self, health: Health) -> list[Json]:
        """All scans, once they can be listed; what keeps them from it is said once."""
        said = ""
        while True:
            try:
                return await list_scans(self._client)
            except NotFound:
                reason = "CapabilityScan is not installed; waiting for: kubectl apply -k crds/"
            except Forbidden as error:
                reason = f"the operator may not list CapabilityScans: {error}"
            except KubeError as error:
                reason = f"CapabilityScans cannot be listed: {error}"
            if reason != said:
                logger.warning("%s", reason)
            health.ready, health.reason, said = False, reason, reason
            await anyio.sleep(KINDS_POLL_S)

    def _watcher(self, health: Health) -> Watcher:
        loop = asyncio.get_running_loop()

        def seen(body: Json) -> None:
            loop.call_soon_threadsafe(self._put, body["metadata"]["uid"], body)

        def deleted(body: Json) -> None:
            loop.call_soon_threadsafe(self._put, body["metadata"]["uid"], None)

        def beat() -> None:
            loop.call_soon_threadsafe(health.beat)

        return Watcher(seen, deleted, self._client.login, beat)

    def _put(self, uid: str, body: Json | None) -> None:
        """Only the newest word about each scan is kept: the inbox is bounded by their number."""
        self._inbox[uid] = body
        self._inbox_filled.set()

    async def _deliver(self, controllers: Controllers) -> None:
        while True:
            await self._inbox_filled.wait()
            self._inbox_filled = anyio.Event()
            inbox, self._inbox = self._inbox, {}
            for uid, body in inbox.items():
                if body is None:
                    controllers.remove(uid)
                elif scan := _parse(body):
                    controllers.observe(scan)


def _parse(body: Json) -> CapabilityScan | None:
    try:
        return CapabilityScan.from_wire(body)
    except ValidationError as error:
        name = body["metadata"].get("name")
        logger.error(
            "%s: not a CapabilityScan this version understands: %s", name, error,
            extra={"scan": name},
        )  # fmt: skip
        return None
