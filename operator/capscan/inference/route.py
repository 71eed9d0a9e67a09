"""The way of a scan's questions: to the provider it names, or to those that stand in for it.

Another one is asked only while a circuit is open. When all are, questions wait until the first of
them lets somebody try.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import anyio

from capscan.core.digest import Digest
from capscan.core.errors import CircuitOpen, ProviderUnusable
from capscan.core.question import Pace, Question
from capscan.inference.account_keeper import AccountKeeper
from capscan.model import Completion, Usage


class Route:
    """Implements the port `scan.ports.Provider` over `first` and those that stand in for it.

    `chain` says who these are now, `first` itself before them; it raises ProviderUnusable where
    there is nobody any more.
    """

    def __init__(self, first: AccountKeeper, chain: Callable[[], Sequence[AccountKeeper]]) -> None:
        self._first = first
        self._chain = chain

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
            self._first, *others = self._chain()
            if not others:
                return await self._first.complete(question)
            retry_in_s = []
            for keeper in (self._first, *others):
                try:
                    completion = await keeper.complete(question, wait_while_open=False)
                except CircuitOpen as error:
                    retry_in_s.append(error.retry_in_s)
                except ProviderUnusable:
                    if keeper is self._first:
                        raise
                else:
                    if keeper is self._first:
                        return completion
                    return replace(completion, identity=self._first.identity)
            await anyio.sleep(min(retry_in_s))

    @property
    def is_priced(self) -> bool:
        """Of the one that was named."""
        return self._first.is_priced

    def estimate(self, digest: Digest) -> Usage:
        """What an answer is expected to cost."""
        return self._first.estimate(digest)

    def pace(self, flow: str, weight: int) -> Pace:
        """Of the first that lets questions through; of the one that was named where none does."""
        try:
            keepers = self._chain()
        except ProviderUnusable as error:
            return Pace(obstacle=str(error))
        paces = [keeper.pace(flow, weight) for keeper in keepers]
        return next((pace for pace in paces if not pace.obstacle), paces[0])
