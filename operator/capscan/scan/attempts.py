"""The attempts at one item: how often, how long, and with what pauses.

What is counted against an item is what it costs: requests under way and pauses after failures. A
question that waits for its turn at a busy provider is not late.
"""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import tenacity

from capscan.core.answer.question import Flight, Question
from capscan.core.crd.digest import Digest
from capscan.core.errors import InferenceError, ItemTimeout, ProviderFailed
from capscan.core.retry import backoff_s, worth_retrying
from capscan.core.text import counted
from capscan.model import Completion, ScanSpec
from capscan.model.duration import format_duration
from capscan.scan.engine import Slot
from capscan.scan.ports import Answers


class Attempts:
    """Those at one item."""

    def __init__(
        self, provider: Answers, spec: Callable[[], ScanSpec], jitter: Callable[[], float]
    ) -> None:
        self.made = 0
        self._provider = provider
        self._spec = spec
        self._jitter = jitter
        self._spent_s = 0.0
        self._last_error: InferenceError | None = None
        self._broke_at_s = math.inf

    async def ask(self, flow: str, digest: Digest, slot: Slot) -> Completion:
        """Ask until there is an answer. Raises InferenceError, ProviderUnusable."""
        question = Question(
            digest, flow, self._spec().priority.weight, lambda: self._in_flight(slot)
        )
        retrying = tenacity.AsyncRetrying(
            retry=self._another,
            wait=self._pause_s,
            sleep=lambda delay_s: self._pause(delay_s, slot),
            reraise=True,
        )
        return await retrying(self._once, question)

    async def _once(self, question: Question) -> Completion:
        self.made += 1
        return await self._provider.complete(replace(question, broke_at_s=self._broke_at_s))

    def _another(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome and state.outcome.exception()
        if not isinstance(error, InferenceError):
            return False
        self._last_error = error
        if isinstance(error, ProviderFailed):
            self._broke_at_s = min(self._broke_at_s, anyio.current_time())
        return self._left_s() > 0 and worth_retrying(error, self.made, self._spec().max_attempts)

    def _pause_s(self, _: tenacity.RetryCallState) -> float:
        error = self._last_error
        return backoff_s(error, self.made, self._jitter()) if error else 0.0

    async def _pause(self, delay_s: float, slot: Slot) -> None:
        if delay_s >= self._left_s():
            raise self._too_late()  # now, since waiting for it would change nothing
        self._spent_s += delay_s
        slot.wait()
        await anyio.sleep(delay_s)

    @asynccontextmanager
    async def _in_flight(self, slot: Slot) -> AsyncIterator[Flight]:
        began_s = anyio.current_time()
        with anyio.move_on_after(self._left_s()) as scope:
            async with slot.flight() as flight:
                try:
                    yield flight
                finally:
                    self._spent_s += anyio.current_time() - began_s
        if scope.cancelled_caught:
            raise self._too_late()

    def _left_s(self) -> float:
        return self._spec().item_timeout.total_seconds() - self._spent_s

    def _too_late(self) -> ItemTimeout:
        limit = format_duration(self._spec().item_timeout)
        last = f"; the last error was: {self._last_error}" if self._last_error else ""
        made = counted(self.made, "attempt")
        return ItemTimeout(f"no answer within {limit} (spec.itemTimeout), {made}{last}")
