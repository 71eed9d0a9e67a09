"""All InferenceProviders of the cluster, found by name, with a keeper for each.

What one keeper does is in `keeper.py`; how a question finds its way over several is in `route.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakSet

import anyio.abc

from capscan.core.errors import ProviderUnusable
from capscan.core.notice import Notice
from capscan.core.provider.admittance import admits, not_admitted
from capscan.core.provider.fallback import chain, ends
from capscan.inference.accounts.account import Account, ReadKey
from capscan.inference.accounts.allowance import Allowance
from capscan.inference.accounts.connection import Connections
from capscan.inference.accounts.keeper import AccountKeeper
from capscan.inference.accounts.report import ProviderStatusSink
from capscan.inference.accounts.route import Route
from capscan.kube.keepers import Keepers
from capscan.model import InferenceProvider, ObjectMeta

Sink = Callable[[InferenceProvider], ProviderStatusSink]
"""Opens the status of one provider for writing."""


class Accounts(Keepers[InferenceProvider, AccountKeeper]):
    """Owns one keeper for each InferenceProvider; none outlives the task group.

    `on_change` is called with the name of a provider that may be asked now and could not before, or
    the other way round.
    """

    def __init__(
        self,
        group: anyio.abc.TaskGroup,
        *,
        read_key: ReadKey,
        sink: Sink,
        tell: Callable[[ObjectMeta, Notice], None],
        now: Callable[[], datetime],
    ) -> None:
        super().__init__(group, self._keeper)
        self.on_change: Callable[[str], None] = lambda _: None
        self._connections = Connections()
        self._routes: WeakSet[Route] = WeakSet()
        self._around: _Around | None = None
        """None where something may have changed since it was worked out."""
        self._read_key = read_key
        self._sink = sink
        self._tell = tell
        self._now = now

    async def find(self, name: str, scan: ObjectMeta) -> Route:
        """Return the way to that provider and to its fallbacks, so far as they may be asked by that
        scan, once there is a verdict on it.

        Raises ProviderUnusable.
        """
        first = self._chain(name, scan)[0]
        await first.ready()
        route = Route(first, lambda: self._chain(name, scan))
        self._routes.add(route)
        return route

    def observe(self, seen: InferenceProvider) -> None:
        """Take in a provider that was seen: it may be a fallback of others."""
        super().observe(seen)
        self._look_around()

    def ended(self, keeper: AccountKeeper) -> None:  # noqa: ARG002
        """Take note that a provider was deleted: it may have been a fallback of others."""
        self._look_around()

    def _look_around(self) -> None:
        """Let keepers and routes see which providers there are now, and who stands in for whom."""
        self._around = None
        for keeper in self:
            keeper.look_around()
        for route in list(self._routes):
            route.look_again()

    def _chain(self, name: str, scan: ObjectMeta) -> list[AccountKeeper]:
        """Return the keepers of the provider and of its fallbacks that the scan may ask, as they
        are now.

        Raises ProviderUnusable.
        """
        names = chain(name, self._seen_around.fallbacks)
        if not names:
            raise ProviderUnusable(
                "ProviderNotFound",
                f"There is no InferenceProvider {name}. Apply one of that name, or name another in "
                "spec.providerRef: kubectl get inferenceproviders lists them.",
            )
        first, *others = (self._seen_around.keepers[one] for one in names)
        if first.allowed_scans and not admits(first.allowed_scans, scan):
            raise not_admitted(name, first.allowed_scans, scan)
        return [first, *(one for one in others if admits(one.allowed_scans, scan))]

    def _fallbacks_of(self, name: str) -> str:
        """Return what a verdict says of its fallbacks, or nothing.

        Raises ProviderUnusable where they go in a circle.
        """
        last = self._seen_around.ends.get(name, "")
        if last is None:
            chain(name, self._seen_around.fallbacks)  # it raises
        return f"Its fallback {last} does not exist." if last else ""

    @property
    def _seen_around(self) -> "_Around":
        """Return which providers there are; it is worked out once after each event."""
        if self._around is None:
            keepers = {keeper.name: keeper for keeper in self}
            fallbacks = {name: keeper.fallback for name, keeper in keepers.items()}
            self._around = _Around(keepers, fallbacks, ends(fallbacks))
        return self._around

    def _changed(self, name: str) -> None:
        self.on_change(name)

    def _keeper(self, seen: InferenceProvider) -> AccountKeeper:
        self._around = None
        name = seen.metadata.name
        allowance = Allowance(name, seen.spec, seen.status, self._now)
        account = Account(name, seen.spec, self._connections, self._read_key, allowance)
        return AccountKeeper(
            seen,
            account,
            self._sink(seen),
            on_change=self._changed,
            tell=self._tell,
            look_around=lambda: self._fallbacks_of(name),
            now=self._now,
        )


@dataclass(frozen=True, slots=True)
class _Around:
    """Which providers there are, and who stands in for whom."""

    keepers: Mapping[str, AccountKeeper]
    fallbacks: Mapping[str, str]
    ends: Mapping[str, str | None]
