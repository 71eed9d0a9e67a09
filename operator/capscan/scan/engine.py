"""Bounded workers over the items of a plan.

Knows nothing of Kubernetes or models: it starts at most `parallelism` items at once, reports each
start and end, and stops within a grace period when told to. A failed item is an event; an
exception ends the run.
"""

from collections.abc import Awaitable, Callable, Iterable

import anyio

from capscan.core.events import CrdReleased, CrdStarted, ScanEvent, Settled
from capscan.core.plan import PlannedItem

Settle = Callable[[PlannedItem], Awaitable[Settled]]


class Engine:
    """Runs once."""

    def __init__(
        self, settle: Settle, on_event: Callable[[ScanEvent], None], parallelism: int
    ) -> None:
        self._settle = settle
        self._on_event = on_event
        self._permits = anyio.CapacityLimiter(parallelism)
        self._dispatching = anyio.CancelScope()
        self._running = anyio.CancelScope()

    def resize(self, parallelism: int) -> None:
        """Change how many may be in flight; those that are go on."""
        self._permits.total_tokens = parallelism

    def stop(self, grace_s: float) -> None:
        """Start nothing more; give up what is still in flight after `grace_s` seconds."""
        self._dispatching.cancel()
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
                        await self._permits.acquire_on_behalf_of(item.ref.name)
                        group.start_soon(self._one, item, name=item.ref.name)

    async def _one(self, item: PlannedItem) -> None:
        name = item.ref.name
        outcome: ScanEvent = CrdReleased(name)
        self._on_event(CrdStarted(name))
        try:
            outcome = await self._settle(item)
        finally:
            self._permits.release_on_behalf_of(name)
            self._on_event(outcome)
