"""One account at a model provider: its key, its connection, and how a question goes through them.

A single request is sent by `request.py`. Whether the account can be asked at all is found out by
`keeper.py`.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from capscan.core.answer.prompt import PROMPT_VERSION, Prompt, estimated_tokens, first_prompt
from capscan.core.answer.question import Question
from capscan.core.crd.digest import Digest
from capscan.core.errors import ProviderUnusable
from capscan.core.pace import Pace
from capscan.inference.accounts.allowance import Allowance
from capscan.inference.accounts.connection import Connection, Connections
from capscan.inference.accounts.gate import Ticket
from capscan.inference.accounts.request import RequestSender, in_time, priced, usual
from capscan.inference.accounts.statistics import GateStatistics
from capscan.inference.api.protocol import Reply
from capscan.inference.asking import analyse
from capscan.inference.flight import Flight
from capscan.model import Completion, ProviderSpec, SecretKeyRef, Usage
from capscan.model.api_key import ApiKey

ReadKey = Callable[[SecretKeyRef], Awaitable[ApiKey]]

KEY_AGE_MAX_S = 60.0
"""A key that is older is read again before it is used, so that a rotated one is picked up."""


class Account:
    """Asks one model with one key."""

    def __init__(
        self,
        name: str,
        spec: ProviderSpec,
        connections: Connections,
        read_key: ReadKey,
        allowance: Allowance,
    ) -> None:
        self.name = name
        self.allowance = allowance
        self._spec = spec
        self._connections = connections
        self._read_key = read_key
        self._connection: Connection | None = None
        """None until somebody asks: opening one needs the key."""
        self._connecting = anyio.Lock()
        self._key_read_s = float("-inf")
        self._closed = False

    @property
    def connection(self) -> Connection | None:
        """The connection in use, if there is one; another key makes another connection."""
        return self._connection

    @property
    def model(self) -> str:
        """The model, as the provider calls it."""
        return self._spec.model

    @property
    def identity(self) -> str:
        """Part of every plan key. Another model or another prompt gives other answers; another
        address does not.
        """
        return _identity(self.name, self._spec)

    async def configure(self, spec: ProviderSpec) -> None:
        """Obey another spec. Questions that were sent already are answered by the old one."""
        async with self._connecting:
            if spec != self._spec:
                self._spec = spec
                self._key_read_s = float("-inf")

    async def verify(self) -> None:
        """Check key, address and model, free of charge. If they are right, close a circuit that was
        left open. Raises ProviderUnusable if questions would be in vain, InferenceError if the
        provider cannot be reached now.
        """
        self._key_read_s = float("-inf")
        async with await self._connected() as connection:
            with in_time(self._spec.request_timeout):
                has_few_slots = await connection.client.check()
            if has_few_slots:
                connection.gate.climb_from_one()
            connection.gate.relieve()

    async def complete(
        self, question: Question, flight: Flight, *, wait_while_open: bool = True
    ) -> Completion:
        """Ask for one analysis. Raises InferenceError, ProviderUnusable; CircuitOpen only where
        told not to wait.
        """
        spec = self._spec
        async with await self._connected() as connection:
            sender = RequestSender(connection.gate, spec, flight, self.allowance, question.run)

            async def send(prompt: Prompt, tokens_max: int) -> Reply:
                ticket = Ticket(
                    question.flow,
                    question.weight,
                    input_tokens=estimated_tokens(prompt),
                    output_tokens_max=tokens_max,
                    wait_while_open=wait_while_open,
                    broke_at_s=question.broke_at_s,
                )
                call = partial(connection.client.send, prompt, max_output_tokens=tokens_max)
                return await sender.send(ticket, call)

            analysis, usage = await analyse(question.digest, send, connection.room)
        identity = _identity(self.name, spec)
        return Completion(
            analysis, self.name, spec.model, identity, priced(usage, spec), PROMPT_VERSION
        )

    @property
    def is_priced(self) -> bool:
        """Whether the cost in a Usage says what a request cost."""
        return self._spec.pricing is not None

    def estimate(self, digest: Digest) -> Usage:
        """Return what an answer is expected to cost."""
        return priced(usual(estimated_tokens(first_prompt(digest.text))), self._spec)

    def pace(self, flow: str, weight: int) -> Pace:
        """Return how fast questions of this flow may go now."""
        pace = self._connection.gate.pace(flow, weight) if self._connection else Pace()
        return self.allowance.slowed(pace, flow)

    @property
    def is_left_open(self) -> bool:
        """Whether the circuit is open, and no question waits to find out that it can be closed."""
        return self._connection is not None and self._connection.gate.is_left_open

    def statistics(self) -> GateStatistics | None:
        """Return the statistics of the gate; None before there is one."""
        return self._connection.gate.statistics() if self._connection else None

    async def aclose(self) -> None:
        """Close the connection."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection:
            await connection.retire()

    async def _connected(self) -> Connection:
        """Return the connection, with a key that is not too old. Raises ProviderUnusable."""
        async with self._connecting:
            now_s = anyio.current_time()
            if self._connection and now_s - self._key_read_s < KEY_AGE_MAX_S:
                return self._connection
            ref = self._spec.api_key_secret_ref
            key = await self._read_key(ref) if ref else None
            if self._closed:
                raise ProviderUnusable(
                    "ProviderNotFound", f"The InferenceProvider {self.name} was deleted."
                )
            if not (self._connection and self._connection.serves(self._spec, key)):
                # The new one is opened before the old one goes: to the same place both have one
                # gate, which nobody else may hold, and the gate has all that was learnt.
                opened = self._connections.open(self._spec, key)
                before, self._connection = self._connection, opened
                self._key_read_s = now_s
                if before:
                    await before.retire()
                return opened
            self._key_read_s = now_s
            return self._connection


def _identity(name: str, spec: ProviderSpec) -> str:
    return f"{name}/{spec.model}/{PROMPT_VERSION}"
