"""When the status is written: at once at a change of phase, else at most once per interval."""

from collections.abc import Awaitable, Callable

import anyio


class Reporter:
    """Collapses any number of changes into one pending write.

    `write` sends what is true when it is called. `interval_s` may change while this runs.
    """

    def __init__(
        self, write: Callable[[], Awaitable[bool]], interval_s: Callable[[], float]
    ) -> None:
        self._write = write
        self._interval_s = interval_s
        self._dirty = anyio.Event()
        self._writing = anyio.Lock()
        self._last_write_s = float("-inf")

    def touch(self) -> None:
        """Something changed; it will be written within the interval."""
        self._dirty.set()

    async def flush(self) -> None:
        """Write now, and return when it is written."""
        async with self._writing:
            self._dirty = anyio.Event()
            if await self._write():
                self._last_write_s = anyio.current_time()

    async def run(self) -> None:
        """Write what was touched, until cancelled."""
        while True:
            await self._dirty.wait()
            await anyio.sleep_until(self._last_write_s + self._interval_s())
            # A flush may have said it all meanwhile.
            if self._dirty.is_set():
                await self.flush()
