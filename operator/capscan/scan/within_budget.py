"""Lets the questions of a run share what its budget has left.

Each question sets aside what it is expected to take before it goes to the provider, and gives that
back when it returns. One that does not fit waits until others have returned, which may have taken
less. The budget is exhausted when there is no other question left to wait for, or when nobody knows
any longer what an answer costs. The arithmetic is in `core/money/budget.py` and
`core/money/spending.py`.
"""

from collections.abc import Callable

import anyio

from capscan.core.answer.question import Question
from capscan.core.money.amount import NOTHING, Amount
from capscan.core.money.budget import fits, needs_prices
from capscan.core.money.spending import Spending
from capscan.model import Budget, Completion, Usage
from capscan.scan.flight import Flight
from capscan.scan.ports import Provider


class WithinBudget:
    """Implements the port `scan.ports.Answers` over a provider.

    `used` is what the run has spent so far, `before` what an earlier session of it has learnt.
    `on_exhausted` is called when a question has nothing to wait for: the call cancels the question,
    or the question goes on once the budget is raised.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        budget: Callable[[], Budget],
        used: Callable[[], Usage],
        before: Spending,
        on_exhausted: Callable[[], None],
    ) -> None:
        self._provider = provider
        self._budget = budget
        self._used = used
        self._on_exhausted = on_exhausted
        self._spending = before
        self._line = anyio.Lock()
        """Whoever holds it is the next, so that small questions do not overtake a large one for
        ever."""
        self._changed = anyio.Event()

    @property
    def identity(self) -> str:
        """The identity of the provider."""
        return self._provider.identity

    @property
    def spending(self) -> Spending:
        """What is set aside and waited for now, and what was learnt of estimates."""
        return self._spending

    @property
    def is_overdrawn(self) -> bool:
        """Whether what is set aside goes beyond the budget, as it does after that was lowered."""
        return not fits(self._budget(), self._used(), NOTHING, self._spending.reserved)

    async def complete(self, question: Question, flight: Flight) -> Completion:
        """Ask once there is room. Raises InferenceError, ProviderUnusable."""
        estimate = self._provider.estimate(question.digest)
        expected = await self._room_for(estimate)
        before = flight.usage
        try:
            return await self._provider.complete(question, flight)
        finally:
            taken = flight.usage - before
            self._spending = self._spending.ended(expected, estimate, taken)
            self.look_again()

    def look_again(self) -> None:
        """Have the question that waits look again: there may be room now."""
        self._changed.set()

    async def _room_for(self, estimate: Usage) -> Amount:
        """Wait until the question fits. Return what was set aside for it."""
        async with self._line:
            while True:
                self._changed = anyio.Event()
                spending = self._spending
                expected = spending.expected(estimate)
                counts = self._provider.is_priced or not needs_prices(self._budget())
                if counts and fits(self._budget(), self._used(), expected, spending.reserved):
                    self._spending = spending.begun(expected)
                    return expected
                self._spending = spending.held_back(estimate)
                if not (counts and spending.under_way):
                    self._on_exhausted()
                await self._changed.wait()
