"""When the status is written: at once at a change of phase, else at most once per interval."""

from collections.abc import Awaitable, Callable

import anyio

from capscan.core.errors import MissingPermission, ScanError, StatusRejected
from capscan.core.retry import MENDING_RETRY_S, stepped_s

REFRESH_S = 10.0
"""What only time changes, such as an ETA, is written this often; nothing is sent where nothing
differs."""
HASTE_S = 0.5
"""What somebody waits for, such as whether an edit is obeyed, is written then, unless a change of
phase has brought it before."""


async def insist(
    write: Callable[[], Awaitable[bool]], on_refusal: Callable[[ScanError], None]
) -> bool:
    """Write, however long it takes until that is let through; whether anything was sent.

    Until then nothing is asked: what is not written down would be asked again.
    """
    refusals = 0
    while True:
        try:
            return await write()
        except (MissingPermission, StatusRejected) as error:
            on_refusal(error)
            await anyio.sleep(stepped_s(MENDING_RETRY_S, refusals))
            refusals += 1


class Reporter:
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

    def touch(self) -> None:
        """Something changed; it will be written within the interval."""
        self._touched.set()

    def hurry(self) -> None:
        """Something changed that is no progress: the interval does not hold for it."""
        self._hurried.set()
        self._touched.set()

    async def flush(self) -> None:
        """Write now, and return when it is written."""
        async with self._writing:
            self._flushed_s = anyio.current_time()
            if await self._write():
                self._last_write_s = anyio.current_time()

    async def run(self) -> None:
        """Write what was touched, until cancelled."""
        while True:
            with anyio.move_on_after(REFRESH_S):
                await self._touched.wait()
            self._touched, touched_s = anyio.Event(), anyio.current_time()
            with anyio.CancelScope(deadline=self._last_write_s + self._interval_s()):
                await self._hurried.wait()
                await anyio.sleep(HASTE_S)
            self._hurried = anyio.Event()
            if self._flushed_s <= touched_s:
                await self.flush()
