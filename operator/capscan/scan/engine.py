"""Bounded workers over the items of a plan.

Knows nothing of Kubernetes or models: at most `parallelism` items hold a permit at once, a few
more get ready for theirs, so that reading a CRD never keeps a permit idle. It reports what takes a
permit and how each item ends, and stops within a grace period when told to. A failed item is an
event; an exception ends the run.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import anyio.lowlevel

from capscan.core.events import CrdReleased, CrdStarted, ScanEvent, Settled
from capscan.core.plan import PlannedItem

Permit = AbstractAsyncContextManager[None]
"""Entered for as long as the item is in flight."""

Settle = Callable[[PlannedItem, Permit], Awaitable[Settled]]

AHEAD_MAX = 4
"""Items that are getting ready, or storing their answer, beyond those in flight: enough to hide
what the API server takes; more would only read CRDs long before their turn."""


class Engine:
    """Runs once."""

    def __init__(
        self, settle: Settle, on_event: Callable[[ScanEvent], None], parallelism: int
    ) -> None:
        self._settle = settle
        self._on_event = on_event
        self._begun = anyio.CapacityLimiter(parallelism + AHEAD_MAX)
        self._permits = anyio.CapacityLimiter(parallelism)
        self._dispatching = anyio.CancelScope()
        self._running = anyio.CancelScope()
        self._getting_ready: dict[str, anyio.CancelScope] = {}

    def resize(self, parallelism: int) -> None:
        """Change how many may be in flight; those that are go on."""
        self._begun.total_tokens = parallelism + AHEAD_MAX
        self._permits.total_tokens = parallelism

    def stop(self, grace_s: float) -> None:
        """Start nothing more; give up what is still in flight after `grace_s` seconds."""
        self._dispatching.cancel()
        for scope in self._getting_ready.values():
            scope.cancel()
        deadline = anyio.current_time() + grace_s
        self._running.deadline = min(self._running.deadline, deadline)

    async def run(self, items: Iterable[PlannedItem]) -> None:
        """Return when every item is settled, or after a stop.

        What `settle` raises comes out in an ExceptionGroup once the other items are cancelled.
        """
        with self._running:
            async with anyio.create_task_group() as group:
                with self._dispatching:
                    for item in items:
                        await self._begun.acquire_on_behalf_of(item.ref.name)
                        group.start_soon(self._one, item, name=item.ref.name)

    async def _one(self, item: PlannedItem) -> None:
        name = item.ref.name
        with anyio.CancelScope() as scope:
            self._getting_ready[name] = scope
            try:
                outcome = await self._settle(item, self._permit(name))
            finally:
                self._getting_ready.pop(name, None)
                self._begun.release_on_behalf_of(name)
            self._on_event(outcome)

    @asynccontextmanager
    async def _permit(self, name: str) -> AsyncIterator[None]:
        async with self._permits:
            # It may have been handed on by the very failure that stopped the run.
            await anyio.lowlevel.checkpoint_if_cancelled()
            # From here on it costs something, so a stop lets it finish.
            del self._getting_ready[name]
            self._on_event(CrdStarted(name))
            try:
                yield
            finally:
                self._on_event(CrdReleased(name))
