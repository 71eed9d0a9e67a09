"""How a scan at rest waits for the next time of its schedule."""

from collections.abc import Callable
from datetime import datetime

import anyio

from capscan.core.run.timetable import Timetable

CLOCK_CHECK_S = 60.0
"""A sleep goes by a clock that stands still while the machine does, and knows nothing of a wall
clock that was set: so the wall clock is looked at as often as a schedule can tell times apart."""


async def until_due(
    timetable: Timetable, changed: anyio.Event, now: Callable[[], datetime], *, suspended: bool
) -> None:
    """Return when something changed, when the next time has come, or when the clock is to be
    looked at again. Suspended, or without a next time, nothing but a change ends it.
    """
    if suspended or timetable.next_time is None:
        await changed.wait()
        return
    left_s = (timetable.next_time - now()).total_seconds()
    with anyio.move_on_after(min(left_s, CLOCK_CHECK_S)):
        await changed.wait()
