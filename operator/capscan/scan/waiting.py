"""How a controller waits: for a change, for the next time of a schedule, or for the end."""

from collections.abc import Callable
from datetime import datetime

import anyio

CLOCK_CHECK_S = 60.0
"""How often a scan with a schedule looks at the wall clock: a schedule tells no shorter times
apart. A sleep goes by a clock that stands still while the machine sleeps, and that knows nothing of
a wall clock that was set. A look renders nothing and decides nothing but whether to wait on."""


class Wakeup:
    """Ends the waits of one controller. What changed before a wait began ends it at once, unless it
    was forgotten.
    """

    def __init__(self) -> None:
        self.closing = False
        """Whether the controller is to end."""
        self.changed = anyio.Event()

    def forget(self) -> None:
        """Start anew: what changed so far is about to be obeyed."""
        self.changed = anyio.Event()

    def wake(self) -> None:
        """Say that something changed."""
        self.changed.set()

    def close(self) -> None:
        """Say that the controller is to end."""
        self.closing = True
        self.changed.set()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait until something changes, or for so many seconds where they are given."""
        with anyio.move_on_after(seconds):
            await self.changed.wait()

    async def wait_until(self, due: datetime, now: Callable[[], datetime]) -> None:
        """Wait until something changes, or until the wall clock `now` shows that time or has been
        set back, which may bring an earlier time of the schedule.
        """
        seen = now()
        while not self.changed.is_set() and seen < due:
            await self.wait(min((due - seen).total_seconds(), CLOCK_CHECK_S))
            before, seen = seen, now()
            if seen < before:
                return
