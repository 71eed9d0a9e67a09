"""Takes a scan's questions to the provider that it names, or to those that stand in for it.

A fallback is asked only while the circuit of those before it is open. While all circuits are open,
questions wait until the first provider lets somebody try.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import anyio

from capscan.core.answer.question import Question
from capscan.core.crd.digest import Digest
from capscan.core.errors import CircuitOpen, LimitReached, ProviderUnusable
from capscan.core.pace import Pace
from capscan.inference.accounts.keeper import AccountKeeper
from capscan.inference.flight import Flight
from capscan.model import Completion, Usage


class Route:
    """Implements the port `scan.ports.Provider` over the provider `first` and its fallbacks.

    `chain` returns the keepers of all of them as they are now, the named provider first. It raises
    ProviderUnusable if there is none any more.
    """

    def __init__(self, first: AccountKeeper, chain: Callable[[], Sequence[AccountKeeper]]) -> None:
        self._first = first
        self._chain = chain
        self._trips: set[_Trip] = set()

    @property
    def name(self) -> str:
        """Name of the provider that the scan names."""
        return self._first.name

    @property
    def model(self) -> str:
        """Model of the named provider."""
        return self._first.model

    @property
    def identity(self) -> str:
        """The identity of the named provider, whichever one answers."""
        return self._first.identity

    async def complete(self, question: Question, flight: Flight) -> Completion:
        """Ask for one analysis. Raises InferenceError, ProviderUnusable."""
        while True:
            keepers = tuple(self._chain())
            self._first = keepers[0]
            with self._trip(keepers, flight):
                return await self._ask(question, flight, keepers)
            # The question was turned back, and takes the way that there is now.

    def look_again(self) -> None:
        """Turn back the questions whose providers are others from now on: at once, or when the
        request that is under way is over, unless it was answered well. A repair takes the new way
        too.
        """
        try:
            keepers = tuple(self._chain())
        except ProviderUnusable:
            keepers = ()
        for trip in self._trips:
            if trip.keepers != keepers:
                trip.flight.cancel_between_requests(trip.scope)

    async def _ask(
        self, question: Question, flight: Flight, keepers: tuple[AccountKeeper, ...]
    ) -> Completion:
        first, *others = keepers
        if not others:
            return await first.complete(question, flight)
        while True:
            retry_in_s = []
            for keeper in keepers:
                try:
                    completion = await keeper.complete(question, flight, wait_while_open=False)
                except CircuitOpen as error:
                    if isinstance(error, LimitReached) and keeper is first:
                        # Nobody stands in for a provider that has spent what it may.
                        await keeper.until_allowed(question, error.most)
                        retry_in_s = [0.0]
                        break
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
    def _trip(self, keepers: tuple[AccountKeeper, ...], flight: Flight) -> Iterator[None]:
        trip = _Trip(keepers, flight)
        self._trips.add(trip)
        try:
            with trip.scope:
                yield
        finally:
            self._trips.discard(trip)

    @property
    def is_priced(self) -> bool:
        """Whether all of them have prices: any may be the one that answers."""
        return all(keeper.is_priced for keeper in self._keepers())

    def estimate(self, digest: Digest) -> Usage:
        """Return what an answer is expected to cost from the dearest of them."""
        estimates = [keeper.estimate(digest) for keeper in self._keepers()]
        return max(estimates, key=lambda usage: usage.cost)

    def _keepers(self) -> Sequence[AccountKeeper]:
        """Return the keepers as they are now; the one that was named last if there are none."""
        try:
            return self._chain()
        except ProviderUnusable:
            return (self._first,)

    def pace(self, flow: str, weight: int) -> Pace:
        """Return the pace of the first provider whose circuit is closed; that of the named one if
        none is.
        """
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


@dataclass(frozen=True, slots=True, eq=False)
class _Trip:
    """One question on its way to `keepers`."""

    keepers: tuple[AccountKeeper, ...]
    flight: Flight
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Cancelled where the question is turned back."""
