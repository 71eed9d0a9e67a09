"""Virtual time: a sleep of an hour takes no time, and the clock shows that it has passed.

Only for tests without sockets: a wait for I/O would look like a wait for nothing.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import anyio
import looptime

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class _Loop(looptime.LoopTimeEventLoop, asyncio.SelectorEventLoop):  # type: ignore[misc]
    """asyncio's own loop with looptime's clock."""


def _new_loop() -> asyncio.AbstractEventLoop:
    # Before each step of its clock looptime idles for 42 cycles, for threads and sockets to act.
    # Here are none: time moves as soon as no task is ready, and a simulation takes a quarter of it.
    return _Loop(noop_cycles=0)  # type: ignore[call-arg]


BACKEND = ("asyncio", {"loop_factory": _new_loop})
"""What a fixture `anyio_backend` returns; the clock starts at zero with each test."""


def now() -> datetime:
    """The wall clock that goes with it."""
    return EPOCH + timedelta(seconds=anyio.current_time())
