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


class StatusQueue:
    """Collapses any number of changes into one pending write.

    `write` sends what is true when it is called, and returns whether anything differed.
    `interval_s` may change while this runs. `on_refusal` is told of each write that was refused.
    """

    def __init__(
        self,
        write: Callable[[], Awaitable[bool]],
        interval_s: Callable[[], float],
        on_refusal: Callable[[ScanError], None],
    ) -> None:
        self._write = write
        self._interval_s = interval_s
        self._on_refusal = on_refusal
        self._overtaken = anyio.Event()
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

    def overtake(self) -> None:
        """Say that somebody wants something else now: no write is waited for any longer."""
        overtaken, self._overtaken = self._overtaken, anyio.Event()
        overtaken.set()

    async def flush(self) -> bool:
        """Write now, however long it takes until that is let through. Return whether it is written.

        Until then the run stands still: what is not written down would be asked again. But whoever
        edits the spec is not kept waiting: after an edit it is tried once more, and then given up.
        """
        overtaken, refusals = self._overtaken, 0
        async with self._writing:
            while True:
                self._flushed_s = anyio.current_time()
                try:
                    if await self._write():
                        self._last_write_s = anyio.current_time()
                except STATUS_REFUSALS as error:
                    self._on_refusal(error)
                else:
                    return True
                if overtaken.is_set():
                    return False
                with anyio.move_on_after(stepped_s(MENDING_RETRY_S, refusals)):
                    await overtaken.wait()
                refusals += 1

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
            if self._flushed_s <= touched_s and not await self.flush():
                self._touched.set()
