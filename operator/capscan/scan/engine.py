"""Works off the items of a plan, so many at a time.

The engine knows nothing of Kubernetes or models. At most `parallelism` items hold a permit at once,
and a few more get ready for theirs, so that reading a CRD never keeps a permit idle. Told to stop,
the engine gives requests that are under way a grace period, and interrupts at once what only waits.
A failed item is an event. Any other error ends the run, after the same grace.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import anyio

from capscan.core.run.events import ScanEvent, Settled
from capscan.core.run.plan import PlannedItem


class Slot(Protocol):
    """What an item that is being settled has of the engine."""

    @property
    def name(self) -> str:
        """Name of the item's CRD."""
        ...

    def permit(self) -> AbstractAsyncContextManager[None]:
        """Hold one of the scan's `parallelism`, from the first question to the last answer."""
        ...

    def wait(self) -> None:
        """Say that nothing is under way or to be stored: a stop ends the item at once."""
        ...

    def commit(self) -> None:
        """Say that something is under way or to be stored: a stop lets the item finish."""
        ...

    def tell(self, event: ScanEvent) -> None:
        """Tell the run what happens to the item."""
        ...


Settle = Callable[[PlannedItem, Slot], Awaitable[Settled]]

AHEAD_MAX = 4
"""How many items may get ready, or store their answer, beyond those in flight. This is enough to
hide what the API server takes; more would only read CRDs long before their turn."""

PAID_GRACE_S = 60.0
"""How long a run that cannot go on waits for what is under way: it is paid for, and is stored when
it is answered, as it is within the usual requestTimeout."""


class Engine:
    """Runs once: `settle` settles each item, `on_event` is told what happens."""

    def __init__(
        self, settle: Settle, on_event: Callable[[ScanEvent], None], parallelism: int
    ) -> None:
        self._settle = settle
        self._on_event = on_event
        self._begun = anyio.CapacityLimiter(parallelism + AHEAD_MAX)
        self._permits = anyio.CapacityLimiter(parallelism)
        self._dispatching = anyio.CancelScope()
        self._running = anyio.CancelScope()
        self._stopped = False
        self._error: Exception | None = None
        """The first error of `settle`, if there was any."""
        self._waiting: dict[str, anyio.CancelScope] = {}
        """The scopes of items that nothing has been spent on, or that only wait to try again."""

    def resize(self, parallelism: int) -> None:
        """Change how many may be in flight; those that are go on."""
        self._begun.total_tokens = parallelism + AHEAD_MAX
        self._permits.total_tokens = parallelism

    def stop(self, grace_s: float) -> None:
        """Start nothing more; give up what is still in flight after `grace_s` seconds."""
        self._stopped = True
        self._dispatching.cancel()
        for scope in self._waiting.values():
            scope.cancel()
        deadline = anyio.current_time() + grace_s
        self._running.deadline = min(self._running.deadline, deadline)

    async def run(self, items: Iterable[PlannedItem]) -> None:
        """Return when every item is settled, or after a stop.

        Raises the first error of `settle`, once the others have ended or had their grace.
        """
        with self._running:
            async with anyio.create_task_group() as group:
                with self._dispatching:
                    for item in items:
                        await self._begun.acquire_on_behalf_of(item.ref.name)
                        group.start_soon(self._one, item, name=item.ref.name)
        if self._error:
            raise self._error

    async def _one(self, item: PlannedItem) -> None:
        slot = _Slot(self, item.ref.name)
        with slot.scope:
            try:
                self._on_event(await self._settled(item, slot))
            except Exception as error:
                self._error = self._error or error
                self.stop(PAID_GRACE_S)

    async def _settled(self, item: PlannedItem, slot: "_Slot") -> Settled:
        try:
            slot.wait()
            return await self._settle(item, slot)
        finally:
            slot.commit()
            self._begun.release_on_behalf_of(slot.name)


class _Slot:
    """Implements `Slot`."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.name = name
        self.scope = anyio.CancelScope()
        self._engine = engine

    def wait(self) -> None:
        self._engine._waiting[self.name] = self.scope
        if self._engine._stopped:
            self.scope.cancel()

    def commit(self) -> None:
        self._engine._waiting.pop(self.name, None)

    def permit(self) -> AbstractAsyncContextManager[None]:
        return self._engine._permits

    def tell(self, event: ScanEvent) -> None:
        self._engine._on_event(event)
