"""What the tasks around one keeper wait for: questions for a verdict, the keeper for a change.

What a verdict is, and what the keeper does when it wakes, is in `keeper.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class Verdicts:
    """Wakes those who wait for a verdict: with each verdict, and with the end of the provider."""

    def __init__(self) -> None:
        self.ended = False
        self._next = anyio.Event()

    def announce(self) -> None:
        """There is a verdict."""
        verdict, self._next = self._next, anyio.Event()
        verdict.set()

    def end(self) -> None:
        """There will be no more verdicts."""
        self.ended = True
        self.announce()

    async def wait(self) -> None:
        """Wait for the next verdict, or for the end."""
        await self._next.wait()


class Alarm:
    """Wakes the keeper when something changed.

    It counts the questions under way, and rings with the first and after the last of them: the
    status is kept up to date as long as there are any.
    """

    def __init__(self) -> None:
        self._rung = anyio.Event()
        self._asking = 0

    @property
    def is_in_use(self) -> bool:
        """Whether a question is under way."""
        return self._asking > 0

    def ring(self) -> None:
        """Wake the keeper."""
        self._rung.set()

    def reset(self) -> None:
        """From now on `wait` waits for what changes later."""
        self._rung = anyio.Event()

    async def wait(self) -> None:
        """Wait until something changed since the last reset."""
        await self._rung.wait()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Count a question as long as it is under way."""
        self._asking += 1
        if self._asking == 1:
            self.ring()
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self.ring()
