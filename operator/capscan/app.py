"""The composition root: settings in, a running operator out; owns the task groups.

`Application` watches and serves for as long as the process runs. `Leader` works on scans and
providers, which one process of a cluster does; it starts and ends without the other. What feeds
both is in `watching.py`. A lease would decide when `Application.run` enters `Leader.leading`.
"""

import logging
import os
import random
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio

from capscan.core.conditions import Stall
from capscan.inference.accounts.registry import Accounts
from capscan.kube.client import KubeClient
from capscan.kube.crd_watch import CrdWatch
from capscan.kube.crds import CrdSource
from capscan.kube.events import EventRecorder
from capscan.kube.kinds import PROVIDERS, SCANS, provider_status, scan_status
from capscan.kube.known import Known
from capscan.kube.secrets import Secrets
from capscan.kube.supervision import supervised
from capscan.kube.watcher import Watch
from capscan.model import CapabilityScan, InferenceProvider, ObjectMeta
from capscan.scan.controller import ScanController
from capscan.scan.controllers import Controllers
from capscan.scan.following import Following
from capscan.scan.ports import Identity, Ports, Provider
from capscan.serve.probes import Health, Probes
from capscan.serve.server import serving
from capscan.settings import Settings
from capscan.store.capabilities import CapabilityStore
from capscan.watching import Watched, Watching
from capscan.workers.digesting import DigestWorkers

logger = logging.getLogger(__name__)

CLOSE_MARGIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the watch knows: written by the watch, handed to whoever leads."""

    scans: Known[CapabilityScan] = field(default_factory=Known)
    providers: Known[InferenceProvider] = field(default_factory=Known)


class Application:
    """One operator process: the cluster's client, the watch, what is served, and the leader."""

    def __init__(self, settings: Settings, *, offline: Provider, watch: Watch) -> None:
        self._settings = settings
        self._client = KubeClient(settings.cluster)
        self._health = Health(clock=anyio.current_time)
        seen = Seen()
        self.leader = Leader(
            self._client, settings, offline, seen, hindrance=lambda: self._watching.hindrance
        )
        self._watching = Watching(
            self._client,
            watch,
            [
                Watched(PROVIDERS, InferenceProvider.from_wire, seen.providers),
                Watched(SCANS, CapabilityScan.from_wire, seen.scans),
            ],
            self._health,
            self.leader.hindrance_changed,
        )

    async def connect(self) -> None:
        """Find the cluster. Raises NoCluster."""
        await self._client.connect()

    async def run(self, stop: anyio.Event) -> None:
        """Work until `stop` is set, then end within the drain time."""
        async with self.watching(), self.leader.leading():
            await stop.wait()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch and serve until the block ends; then the client is closed. Nothing is worked on.

        Raises WrongSettings where the probes cannot be served.
        """
        port = self._settings.probe_port
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._client.close)
            if port is not None:
                doors = [Probes(self._health)]
                await stack.enter_async_context(serving(doors, port, setting="probePort"))
            async with anyio.create_task_group() as group:
                group.start_soon(supervised, "the watch of scans", self._watching.run)
                yield
                group.cancel_scope.cancel()


class Leader:
    """Works on scans and keeps accounts: controllers and accounts, one task each, with the watch of
    CRDs and the Events that they need.
    """

    def __init__(
        self,
        client: KubeClient,
        settings: Settings,
        offline: Provider,
        seen: Seen,
        *,
        hindrance: Callable[[], Stall | None],
    ) -> None:
        self._client = client
        self._settings = settings
        self._offline = offline
        self._seen = seen
        self._hindrance = hindrance
        self._identity = Identity(
            owner=f"{os.environ.get('POD_NAME') or socket.gethostname()}/{secrets.token_hex(4)}",
            token=lambda: secrets.token_hex(4),
        )
        self._controllers: Controllers | None = None
        """None while it does not lead."""

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[None]:
        """Work on everything that the watch knows, and on what it comes to know, until the block
        ends; then items in flight have the drain time to finish. If the block is cancelled, the
        work ends at once. It can be entered again once it has ended.
        """
        async with DigestWorkers() as workers, anyio.create_task_group() as group:
            events = EventRecorder(self._client, instance=self._identity.owner, now=_now)
            following = Following(CrdWatch(self._client))
            accounts = Accounts(
                group,
                read_key=Secrets(self._client, self._settings.secrets_namespace).read,
                sink=lambda provider: provider_status(self._client, provider),
                tell=lambda about, notice: events.tell("InferenceProvider", about, notice),
                now=_now,
            )
            ports = self._ports(accounts, following, events, workers)
            controllers = Controllers(group, lambda scan: self._controller(scan, ports))
            accounts.on_change = controllers.provider_changed
            group.start_soon(supervised, "the watch of CRDs", following.run)
            group.start_soon(events.run)
            # Providers come first: scans need those that they name.
            with self._seen.providers.handed_to(accounts), self._seen.scans.handed_to(controllers):
                self._controllers = controllers
                try:
                    yield
                    await self._close(controllers)
                finally:
                    self._controllers = None
            group.cancel_scope.cancel()

    def hindrance_changed(self) -> None:
        """Something keeps this process from seeing objects change, or does so no longer."""
        if self._controllers:
            self._controllers.hindrance_changed()

    async def _close(self, controllers: Controllers) -> None:
        drain_s = self._settings.drain_seconds
        logger.info("stopping: items in flight have %.0f s to finish", drain_s)
        with anyio.move_on_after(drain_s + CLOSE_MARGIN_S) as scope:
            await controllers.close(drain_s)
        if scope.cancelled_caught:
            logger.warning("gave up on the last status: the API server did not take it in time")

    def _ports(
        self,
        accounts: Accounts,
        following: Following,
        events: EventRecorder,
        workers: DigestWorkers,
    ) -> Ports:
        return Ports(
            crds=CrdSource(self._client, workers.digest),
            store=CapabilityStore(self._client),
            providers=Providers(self._offline, accounts),
            now=_now,
            jitter=random.random,
            follow=following,
            events=events,
            hindrance=self._hindrance,
        )

    def _controller(self, scan: CapabilityScan, ports: Ports) -> ScanController:
        return ScanController(scan, scan_status(self._client, scan), ports, self._identity)


@dataclass(frozen=True, slots=True)
class Providers:
    """Implements the port `scan.ports.Providers`."""

    offline: Provider
    accounts: Accounts

    async def find(self, name: str, scan: ObjectMeta) -> Provider:
        """Return the provider of that name for that scan, or the offline analysis where the name
        is empty.

        Raises ProviderUnusable.
        """
        return await self.accounts.find(name, scan) if name else self.offline


def _now() -> datetime:
    return datetime.now(UTC)
