"""What is on its way because of one item's question: its requests, its time, and what they took.

A Flight is handed down beside the question, and whoever needs something reads it: the budget reads
the usage, the route cancels only between two requests, and the account enters `request` when one
really goes out. How often an item is tried is not decided here, but in `attempts.py`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.lowlevel

from capscan.core.errors import InferenceError, ItemTimeout
from capscan.core.retry import was_looked_at
from capscan.core.run.events import CrdReleased, CrdStarted, Ending
from capscan.model import Usage
from capscan.model.completion import NO_USAGE
from capscan.scan.engine import Slot


@dataclass(slots=True)
class Request:
    """One request that is under way."""

    usage: Usage = NO_USAGE
    """What it took, set by whoever sends it as soon as that is known."""


class Flight:
    """The requests about one item, one at a time. `limit_s` says how many seconds they may take
    together, pauses between two attempts included; it may change on the way.
    """

    def __init__(self, slot: Slot, limit_s: Callable[[], float]) -> None:
        self.usage = NO_USAGE
        """What all requests that have ended took."""
        self._slot = slot
        self._limit_s = limit_s
        self._spent_s = 0.0
        self._is_under_way = False
        self._to_cancel: anyio.CancelScope | None = None
        """Set where somebody waits for the end of the request that is under way."""

    @property
    def left_s(self) -> float:
        """Seconds that are left of the limit. Waiting for a turn at the provider takes none."""
        return self._limit_s() - self._spent_s

    async def pause(self, delay_s: float) -> None:
        """Sleep between two attempts. A stop of the run ends it at once."""
        self._spent_s += delay_s
        self._slot.wait()
        await anyio.sleep(delay_s)

    @asynccontextmanager
    async def request(self) -> AsyncIterator[Request]:
        """Enter this for as long as one request is under way. A question that was cancelled just
        before does not get in. Raises ItemTimeout once the limit is reached.
        """
        self._is_under_way = True
        try:
            with anyio.move_on_after(self.left_s) as scope:
                # The permit may have been handed on by the very failure that stopped the run, or a
                # signal came just now. What began all the same would be paid for, then cancelled.
                await anyio.lowlevel.checkpoint_if_cancelled()
                async with self._reported() as request:
                    yield request
            if scope.cancelled_caught:
                raise ItemTimeout("the time of this item is used up")
        finally:
            self._is_under_way = False
            if self._to_cancel:
                self._to_cancel.cancel()
                self._to_cancel = None

    def cancel_between_requests(self, scope: anyio.CancelScope) -> None:
        """Cancel that scope at once, or when the request that is under way has ended."""
        if self._is_under_way:
            self._to_cancel = scope
        else:
            scope.cancel()

    @asynccontextmanager
    async def _reported(self) -> AsyncIterator[Request]:
        """Tell the run when the request begins, and how it ends."""
        slot, began_s, request = self._slot, anyio.current_time(), Request()
        slot.commit()
        slot.tell(CrdStarted(slot.name, began_s))
        ending = Ending.INTERRUPTED
        try:
            yield request
            ending = Ending.ANSWERED
        except InferenceError as error:
            ending = Ending.FAILED if was_looked_at(error) else Ending.REFUSED
            raise
        finally:
            took_s = anyio.current_time() - began_s
            self._spent_s += took_s
            self.usage += request.usage
            slot.tell(CrdReleased(slot.name, took_s, ending, request.usage))
            if ending is not Ending.ANSWERED:
                slot.wait()
