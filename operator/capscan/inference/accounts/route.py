"""The way of a scan's questions: to the provider it names, or to those that stand in for it.

Another one is asked only while a circuit is open. When all are, questions wait until the first of
them lets somebody try.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import anyio

from capscan.core.answer.question import Flight, Question
from capscan.core.crd.digest import Digest
from capscan.core.errors import CircuitOpen, ProviderUnusable
from capscan.core.pace import Pace
from capscan.inference.accounts.keeper import AccountKeeper
from capscan.model import Completion, Usage


class Route:
    """Implements the port `scan.ports.Provider` over `first` and those that stand in for it.

    `chain` says who these are now, `first` itself before them; it raises ProviderUnusable where
    there is nobody any more.
    """

    def __init__(self, first: AccountKeeper, chain: Callable[[], Sequence[AccountKeeper]]) -> None:
        self._first = first
        self._chain = chain
        self._trips: set[_Trip] = set()

    @property
    def name(self) -> str:
        """The provider that the scan names."""
        return self._first.name

    @property
    def model(self) -> str:
        """Its model."""
        return self._first.model

    @property
    def identity(self) -> str:
        """What was asked for, whoever answers."""
        return self._first.identity

    async def complete(self, question: Question) -> Completion:
        """Raises InferenceError, ProviderUnusable."""
        while True:
            keepers = tuple(self._chain())
            self._first = keepers[0]
            with self._under_way(question, keepers) as trip:
                return await self._ask(trip.question, keepers)
            # It was turned back, and takes the way that there is now.

    def look_again(self) -> None:
        """Others may stand in from now on. What was sent is waited for; what was not goes to
        nobody who is no longer asked.
        """
        try:
            keepers = tuple(self._chain())
        except ProviderUnusable:
            keepers = ()
        for trip in self._trips:
            if trip.keepers != keepers:
                trip.turn_back()

    async def _ask(self, question: Question, keepers: tuple[AccountKeeper, ...]) -> Completion:
        first, *others = keepers
        if not others:
            return await first.complete(question)
        while True:
            retry_in_s = []
            for keeper in keepers:
                try:
                    completion = await keeper.complete(question, wait_while_open=False)
                except CircuitOpen as error:
                    retry_in_s.append(error.retry_in_s)
                except ProviderUnusable:
                    if keeper is first:
                        raise
                else:
                    if keeper is first:
                        return completion
                    return replace(completion, identity=first.identity)
            await anyio.sleep(min(retry_in_s))

    @contextmanager
    def _under_way(
        self, question: Question, keepers: tuple[AccountKeeper, ...]
    ) -> Iterator["_Trip"]:
        trip = _Trip(question, keepers)
        self._trips.add(trip)
        try:
            with trip.scope:
                yield trip
        finally:
            self._trips.discard(trip)

    @property
    def is_priced(self) -> bool:
        """All of them: any may be the one that answers."""
        return all(keeper.is_priced for keeper in self._keepers())

    def estimate(self, digest: Digest) -> Usage:
        """What an answer is expected to cost: of the dearest of them."""
        estimates = [keeper.estimate(digest) for keeper in self._keepers()]
        return max(estimates, key=lambda usage: usage.cost)

    def _keepers(self) -> Sequence[AccountKeeper]:
        """As they are now; the one that was last asked where there is nobody any more."""
        try:
            return self._chain()
        except ProviderUnusable:
            return (self._first,)

    def pace(self, flow: str, weight: int) -> Pace:
        """Of the first whose circuit is closed; of the one that was named where none is."""
        try:
            keepers = self._chain()
        except ProviderUnusable as error:
            return Pace(obstacle=str(error))
        first, *others = keepers
        named = first.pace(flow, weight)
        if named.returns:
            return named
        paces = (replace(other.pace(flow, weight), stand_in=other.name) for other in others)
        return next((pace for pace in paces if pace.returns), named)


class _Trip:
    """One question on its way to `keepers`, which can be turned back while nothing is sent."""

    def __init__(self, question: Question, keepers: tuple[AccountKeeper, ...]) -> None:
        self.keepers = keepers
        self.question = replace(question, flight=self._flight)
        self.scope = anyio.CancelScope()
        self._open_flight = question.flight
        self._in_flight = False
        self._turned_back = False

    def turn_back(self) -> None:
        """At once, or when the request that is under way is over, unless it was answered well: a
        repair takes the new way too.
        """
        self._turned_back = True
        if not self._in_flight:
            self.scope.cancel()

    @asynccontextmanager
    async def _flight(self) -> AsyncIterator[Flight]:
        self._in_flight = True
        try:
            async with self._open_flight() as flight:
                yield flight
        finally:
            self._in_flight = False
            if self._turned_back:
                self.scope.cancel()
