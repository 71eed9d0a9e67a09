"""The way of a scan's questions: to the provider it names, or to those that stand in for it.

Another one is asked only while a circuit is open. When all are, questions wait until the first of
them lets somebody try.
"""

from collections.abc import Callable, Sequence

import anyio

from capscan.core.digest import Digest
from capscan.core.errors import CircuitOpen, ProviderUnusable
from capscan.core.question import Pace, Question
from capscan.inference.account_keeper import AccountKeeper
from capscan.model import Completion, Usage


class Route:
    """Implements the port `scan.ports.Provider` over the providers that `chain` has now: the one
    that was asked for, then those that stand in.
    """

    def __init__(self, name: str, chain: Callable[[], Sequence[AccountKeeper]]) -> None:
        self.name = name
        self._chain = chain

    @property
    def model(self) -> str:
        """The model of the provider that the scan names."""
        return self._chain()[0].model

    @property
    def identity(self) -> str:
        """What was asked for, whoever answers."""
        return self._chain()[0].identity

    async def complete(self, question: Question) -> Completion:
        """Raises InferenceError, ProviderUnusable."""
        while True:
            first, *others = self._chain()
            if not others:
                return await first.complete(question)
            retry_in_s = []
            for keeper in (first, *others):
                try:
                    return await keeper.complete(question, wait_while_open=False)
                except CircuitOpen as error:
                    retry_in_s.append(error.retry_in_s)
                except ProviderUnusable:
                    if keeper is first:
                        raise
            await anyio.sleep(min(retry_in_s))

    def estimate(self, digest: Digest) -> Usage:
        """What an answer is expected to cost."""
        return self._chain()[0].estimate(digest)

    def pace(self, flow: str, weight: int) -> Pace:
        """Of the first that lets questions through; of the one that was named where none does."""
        paces = [keeper.pace(flow, weight) for keeper in self._chain()]
        return next((pace for pace in paces if not pace.obstacle), paces[0])
