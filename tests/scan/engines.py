"""An engine, and work for it."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from capscan.core.run.events import CrdScanned, ScanEvent, Settled
from capscan.core.run.plan import PlannedItem
from capscan.scan.engine import Engine, Settle, Slot
from tests.fakes import flight, name_of, ref


def items(count: int) -> list[PlannedItem]:
    return [PlannedItem(ref(name_of(n)), "key") for n in range(count)]


@asynccontextmanager
async def flying(slot: Slot) -> AsyncIterator[None]:
    """Enter a permit and one request, as soon as that may be."""
    async with slot.permit(), flight(slot).request():
        yield


class Work:
    """Settles the items of an engine: each takes `takes_s` seconds."""

    def __init__(self, takes_s: float = 1.0) -> None:
        self.takes_s = takes_s
        self.in_flight = 0
        self.in_flight_max = 0
        self.begun = 0
        self.events: list[ScanEvent] = []

    async def __call__(self, item: PlannedItem, slot: Slot) -> Settled:
        async with flying(slot):
            self.begun += 1
            self.in_flight += 1
            self.in_flight_max = max(self.in_flight_max, self.in_flight)
            try:
                await anyio.sleep(self.takes_s)
            finally:
                self.in_flight -= 1
        return CrdScanned(item.ref.name)

    def kinds(self) -> Counter[type[ScanEvent]]:
        return Counter(type(event) for event in self.events)


def engine(work: Work, parallelism: int, settle: Settle | None = None) -> Engine:
    return Engine(settle or work, work.events.append, parallelism)
