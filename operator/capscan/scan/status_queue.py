"""Decides when the status is written: at once at a change of phase, else at most once per interval.

What is written is up to `status_renderer.py`. At rest nothing is rendered before something changes.
"""

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio

from capscan.core.errors import ScanError
from capscan.core.retry import MENDING_RETRY_S, STATUS_REFUSALS, stepped_s

REFRESH_S = 10.0
"""How often a run at work renders what only time changes, such as an ETA. Nothing is sent where
nothing differs."""
HASTE_S = 0.5
"""How soon is written what somebody waits for, such as whether an edit is obeyed, unless a change
of phase has brought it before."""


async def insist(
    write: Callable[[], Awaitable[bool]], on_refusal: Callable[[ScanError], None]
) -> bool:
    """Write, however long it takes until that is let through. Return whether anything was sent.

    Until then the run stands still: what is not written down would be asked again.
    """
    refusals = 0
    while True:
        try:
            return await write()
        except STATUS_REFUSALS as error:
            on_refusal(error)
            await anyio.sleep(stepped_s(MENDING_RETRY_S, refusals))
            refusals += 1


class StatusQueue:
    """Collapses any number of changes into one pending write.

    `write` sends what is true when it is called. `interval_s` may change while this runs.
    """

    def __init__(
        self, write: Callable[[], Awaitable[bool]], interval_s: Callable[[], float]
    ) -> None:
        self._write = write
        self._interval_s = interval_s
        self._touched = anyio.Event()
        self._hurried = anyio.Event()
        self._writing = anyio.Lock()
        self._last_write_s = float("-inf")
        self._flushed_s = float("-inf")
        self._refresh_s = math.inf
        self._idle = anyio.CancelScope()
        """Entered while there is nothing to write; its deadline is the next refresh."""

    def touch(self) -> None:
        """Say that something changed; it will be written within the interval."""
        self._touched.set()

    def hurry(self) -> None:
        """Say that something changed that is no progress: the interval does not hold for it."""
        self._hurried.set()
        self._touched.set()

    @contextmanager
    def refreshing(self) -> Iterator[None]:
        """Render every REFRESH_S seconds, too, while this is entered: a run is at work."""
        self._refresh_s = REFRESH_S
        self._idle.deadline = anyio.current_time() + REFRESH_S
        try:
            yield
        finally:
            self._refresh_s = self._idle.deadline = math.inf

    async def flush(self) -> None:
        """Write now, and return when it is written."""
        async with self._writing:
            self._flushed_s = anyio.current_time()
            if await self._write():
                self._last_write_s = anyio.current_time()

    async def run(self) -> None:
        """Write what was touched, until cancelled."""
        while True:
            deadline_s = anyio.current_time() + self._refresh_s
            with anyio.CancelScope(deadline=deadline_s) as self._idle:
                await self._touched.wait()
            self._touched, touched_s = anyio.Event(), anyio.current_time()
            with anyio.CancelScope(deadline=self._last_write_s + self._interval_s()):
                await self._hurried.wait()
                await anyio.sleep(HASTE_S)
            self._hurried = anyio.Event()
            if self._flushed_s <= touched_s:
                await self.flush()
