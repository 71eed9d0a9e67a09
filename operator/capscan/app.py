"""The composition root: settings in, a running operator out; owns the task groups.

Scans are worked on by controllers, providers are kept by accounts, one task each. What feeds them
is in `watching.py`.
"""

import logging
import os
import random
import secrets
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from capscan.inference.accounts.registry import Accounts
from capscan.kube.client import KubeClient
from capscan.kube.crd_watch import CrdWatch
from capscan.kube.crds import CrdSource
from capscan.kube.events import EventRecorder
from capscan.kube.kinds import PROVIDERS, SCANS, provider_status, scan_status
from capscan.kube.secrets import Secrets
from capscan.kube.supervision import supervised
from capscan.model import CapabilityScan, InferenceProvider
from capscan.scan.controller import ScanController
from capscan.scan.controllers import Controllers
from capscan.scan.following import Following
from capscan.scan.ports import Identity, Ports, Provider
from capscan.serve.probes import Health, serve_probes
from capscan.settings import Settings
from capscan.store.capabilities import CapabilityStore
from capscan.watching import Watch, Watched, Watching

logger = logging.getLogger(__name__)

CLOSE_MARGIN_S = 2.0


class Application:
    """One operator process."""

    def __init__(self, settings: Settings, *, offline: Provider, watch: Watch) -> None:
        self._settings = settings
        self._offline = offline
        self._client = KubeClient(settings.cluster)
        self._watch = watch
        self._watching: Watching | None = None
        self._following = Following(CrdWatch(self._client))
        self._identity = Identity(
            owner=f"{os.environ.get('POD_NAME') or socket.gethostname()}/{secrets.token_hex(4)}",
            token=lambda: secrets.token_hex(4),
        )

        self._events = EventRecorder(self._client, instance=self._identity.owner, now=_now)

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
                accounts = Accounts(
                    group,
                    read_key=Secrets(self._client, self._settings.secrets_namespace).read,
                    sink=lambda provider: provider_status(self._client, provider),
                    tell=lambda about, notice: self._events.tell(
                        "InferenceProvider", about, notice
                    ),
                    now=_now,
                )
                ports = self._ports(accounts)
                group.start_soon(supervised, "the watch of CRDs", self._following.run)
                group.start_soon(self._events.run)
                controllers = Controllers(group, lambda scan: self._controller(scan, ports))
                accounts.on_change = controllers.provider_changed
                kinds = [_providers(accounts), _scans(controllers)]
                watching = self._watching = Watching(
                    self._client, self._watch, kinds, health, controllers.hindrance_changed
                )
                group.start_soon(supervised, "the watch of scans", watching.run)
                await stop.wait()
                await self._close(controllers)
                group.cancel_scope.cancel()

    async def _close(self, controllers: Controllers) -> None:
        logger.info("stopping: items in flight have %.0f s to finish", self._settings.drain_seconds)
        with anyio.move_on_after(self._settings.drain_seconds + CLOSE_MARGIN_S) as scope:
            await controllers.close(self._settings.drain_seconds)
        if scope.cancelled_caught:
            logger.warning("gave up on the last status: the API server did not take it in time")

    def _ports(self, accounts: Accounts) -> Ports:
        return Ports(
            crds=CrdSource(self._client),
            store=CapabilityStore(self._client),
            providers=Providers(self._offline, accounts),
            now=_now,
            jitter=random.random,
            follow=self._following,
            events=self._events,
            hindrance=lambda: self._watching.hindrance if self._watching else None,
        )

    def _controller(self, scan: CapabilityScan, ports: Ports) -> ScanController:
        return ScanController(scan, scan_status(self._client, scan), ports, self._identity)


@dataclass(frozen=True, slots=True)
class Providers:
    """Implements the port `scan.ports.Providers`."""

    offline: Provider
    accounts: Accounts

    async def find(self, name: str) -> Provider:
        """Without a name the offline analysis. Raises ProviderUnusable."""
        return await self.accounts.find(name) if name else self.offline


def _scans(controllers: Controllers) -> Watched:
    return Watched(
        SCANS,
        CapabilityScan.from_wire,
        controllers.observe,
        controllers.remove,
        controllers.retain,
    )


def _providers(accounts: Accounts) -> Watched:
    return Watched(
        PROVIDERS,
        InferenceProvider.from_wire,
        accounts.observe,
        accounts.remove,
        accounts.retain,
    )


def _now() -> datetime:
    return datetime.now(UTC)
