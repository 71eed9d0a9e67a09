"""The way of a scan's questions: to the provider it names, or to those that stand in for it.

Another one is asked only while a circuit is open. When all are, questions wait until the first of
them lets somebody try.
"""

from collections.abc import Sequence

import anyio

from capscan.core.errors import CircuitOpen, ProviderUnusable
from capscan.core.question import Pace, Question
from capscan.inference.account import Account
from capscan.model import Completion


class Route:
    """Implements the port `scan.ports.Provider` over at least one account."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._accounts = accounts
        self.name = accounts[0].name

    @property
    def model(self) -> str:
        """The model of the provider that the scan names."""
        return self._accounts[0].model

    @property
    def identity(self) -> str:
        """What was asked for, whoever answers."""
        return self._accounts[0].identity

    async def complete(self, question: Question) -> Completion:
        """Raises InferenceError, ProviderUnusable."""
        if len(self._accounts) == 1:
            return await self._accounts[0].complete(question)
        while True:
            retry_in_s = []
            for account in self._accounts:
                try:
                    return await account.complete(question, wait_while_open=False)
                except CircuitOpen as error:
                    retry_in_s.append(error.retry_in_s)
                except ProviderUnusable:
                    if account is self._accounts[0]:
                        raise
            await anyio.sleep(min(retry_in_s))

    def pace(self, flow: str, weight: int) -> Pace:
        """Of the first that lets questions through; of the one that was named where none does."""
        paces = [account.pace(flow, weight) for account in self._accounts]
        return next((pace for pace in paces if not pace.obstacle), paces[0])
