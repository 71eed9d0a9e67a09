"""What the tasks around one keeper wait for: questions for a verdict, the keeper for a change.

What a verdict is, and what the keeper does when it wakes, is in `keeper.py`.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import anyio

from capscan.core.provider.diagnosis import FIRST_S, Diagnosis
from capscan.core.provider.refusals import Blame

SUSPENSE_S = 0.5
"""Nobody else who asks within so long after a refusal means that nobody will."""


class Blamed(Protocol):
    """Says whose fault a refusal is; `alone` where nobody else is under way who could tell."""

    def __call__(self, *, alone: bool) -> Blame: ...


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


class Turns:
    """Lets so many questions at once go out as the keeper allows now, and no more.

    One that was turned down is held until it is clear whose fault that was: it takes no turn, and
    nothing of it is under way.
    """

    def __init__(self) -> None:
        self._under_way = 0
        self._waiting = 0
        self._held = 0
        self._changed = anyio.Event()

    @property
    def _others(self) -> int:
        """The number of questions that are under way or wait for their turn; none is held."""
        return self._under_way + self._waiting - self._held

    @asynccontextmanager
    async def turn(self, diagnosis: Callable[[], Diagnosis]) -> AsyncIterator[None]:
        """Wait for a turn, and hold it."""
        self._waiting += 1
        try:
            while self._under_way - self._held >= diagnosis().questions_max(anyio.current_time()):
                await self._change(FIRST_S)
        finally:
            self._waiting -= 1
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self.tell()

    async def decided(self, blame: Blamed) -> Blame:
        """Hold a question that was turned down until that is decided; return how."""
        self._held += 1
        self.tell()
        try:
            alone = False
            while (found := blame(alone=alone)) is Blame.UNDECIDED:
                alone = not await self._change(SUSPENSE_S) and not self._others
            return found
        finally:
            self._held -= 1

    def tell(self) -> None:
        """Say that something changed."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _change(self, pause_s: float) -> bool:
        """Wait until something changes, but at most so long; return whether it did."""
        with anyio.move_on_after(pause_s) as scope:
            await self._changed.wait()
        return not scope.cancelled_caught
