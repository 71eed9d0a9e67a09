"""The attempts at one item: how many there are, how long they take, and what pauses they make.

The time of an item counts requests under way and pauses after failures (`flight.py`). A question
that waits for its turn at a busy provider is not late.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import anyio
import tenacity

from capscan.core.answer.question import Question
from capscan.core.crd.digest import Digest
from capscan.core.errors import InferenceError, ItemTimeout
from capscan.core.retry import backoff_s, broke_over_it, worth_retrying
from capscan.core.text import counted
from capscan.model import Completion, ScanSpec
from capscan.model.duration import format_duration
from capscan.scan.engine import Slot
from capscan.scan.flight import Flight
from capscan.scan.ports import Answers


class Attempts:
    """Counts and bounds the attempts at one item."""

    def __init__(
        self, provider: Answers, spec: Callable[[], ScanSpec], jitter: Callable[[], float]
    ) -> None:
        self.made = 0
        self._provider = provider
        self._spec = spec
        self._jitter = jitter
        self._last_error: InferenceError | None = None
        """None until an attempt has failed."""
        self._broke_at_s = math.inf

    async def ask(self, flow: str, digest: Digest, slot: Slot, *, run: str = "") -> Completion:
        """Ask until there is an answer, for that run of the scan. Raises InferenceError,
        ProviderUnusable.
        """
        flight = Flight(slot, self._limit_s)
        question = Question(digest, flow, self._spec().priority.weight, run)
        retrying = tenacity.AsyncRetrying(
            retry=partial(self._another, flight),
            wait=self._pause_s,
            sleep=partial(self._pause, flight),
            reraise=True,
        )
        return await retrying(self._once, question, flight)

    async def _once(self, question: Question, flight: Flight) -> Completion:
        self.made += 1
        question = replace(question, broke_at_s=self._broke_at_s)
        try:
            return await self._provider.complete(question, flight)
        except ItemTimeout as error:
            raise self._too_late() from error

    def _another(self, flight: Flight, state: tenacity.RetryCallState) -> bool:
        error = state.outcome and state.outcome.exception()
        if not isinstance(error, InferenceError):
            return False
        self._last_error = error
        if broke_over_it(error):
            self._broke_at_s = min(self._broke_at_s, anyio.current_time())
        return flight.left_s > 0 and worth_retrying(error, self.made, self._spec().max_attempts)

    def _pause_s(self, _: tenacity.RetryCallState) -> float:
        error = self._last_error
        return backoff_s(error, self.made, self._jitter()) if error else 0.0

    async def _pause(self, flight: Flight, delay_s: float) -> None:
        if delay_s >= flight.left_s:
            raise self._too_late()  # now, since waiting for it would change nothing
        await flight.pause(delay_s)

    def _limit_s(self) -> float:
        return self._spec().item_timeout.total_seconds()

    def _too_late(self) -> ItemTimeout:
        """Return the error in words that say what was tried."""
        limit = format_duration(self._spec().item_timeout)
        last = f"; the last error was: {self._last_error}" if self._last_error else ""
        made = counted(self.made, "attempt")
        return ItemTimeout(f"no answer within {limit} (spec.itemTimeout), {made}{last}")
