"""Sends one request to a provider: at its turn, within its time, and with its price.

It knows what a request is expected to take (the Ticket), not what is asked. How many requests a
question needs is decided in `asking.py`; whether a failed one is worth another attempt, in
`scan/attempts.py`.
"""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import anyio

from capscan.core.errors import InferenceError, InferenceTimeout, InvalidAnswer, ProviderUnusable
from capscan.core.money.pricing import price
from capscan.inference.accounts.allowance import Allowance, Bill, NoRoom
from capscan.inference.accounts.gate import Gate, Ticket
from capscan.inference.api.protocol import Reply
from capscan.inference.flight import Flight
from capscan.model import ProviderSpec, Usage
from capscan.model.completion import NO_USAGE
from capscan.model.duration import format_duration

ANSWER_TOKENS_USUAL = 300
"""What an analysis takes, where it is estimated."""
UNDERSTATED_MAX = 3
"""No tokenizer makes so few tokens of a text that the usual estimate, of four bytes each, is so
many times too high."""


@dataclass(frozen=True, slots=True)
class RequestSender:
    """Sends the requests of one question, one after the other."""

    gate: Gate
    spec: ProviderSpec
    flight: Flight
    allowance: Allowance
    run: str

    async def send(self, ticket: Ticket, call: Callable[[], Awaitable[Reply]]) -> Reply:
        """Let `call` make its one request as soon as the gate lets `ticket` through.

        Raises InferenceError, ProviderUnusable; CircuitOpen only where the ticket says so.
        """
        tokens = Usage(1, ticket.input_tokens, 0, ticket.output_tokens_max)
        most, wait = priced(tokens, self.spec), ticket.wait_while_open
        while True:
            await self.allowance.room(ticket.flow, self.run, most, wait=wait)
            try:
                return await self.gate.ask(ticket, lambda: self._allowed(ticket, call, most))
            except NoRoom:
                continue

    async def _allowed(
        self, ticket: Ticket, call: Callable[[], Awaitable[Reply]], most: Usage
    ) -> Reply:
        with self.allowance.reserved(most) as bill:
            return await self._under_way(ticket, call, bill)

    async def _under_way(
        self, ticket: Ticket, call: Callable[[], Awaitable[Reply]], bill: Bill
    ) -> Reply:
        async with self.flight.request() as request:
            # Of what is cancelled, or not answered in time, nobody says what it took.
            bill.taken = bill.most
            request.usage = priced(usual(ticket.input_tokens), self.spec)
            try:
                with in_time(self.spec.request_timeout):
                    reply = _counted(await call(), ticket)
            except ProviderUnusable:
                request.usage = bill.taken = priced(NO_USAGE, self.spec)
                raise
            except InferenceError as error:
                if error.usage:
                    error.usage = _at_least(error.usage, ticket)
                    request.usage = bill.taken = priced(error.usage, self.spec)
                elif not isinstance(error, InferenceTimeout):
                    request.usage = priced(NO_USAGE, self.spec)
                    if not isinstance(error, InvalidAnswer):  # which was made, and may be billed
                        bill.taken = request.usage
                raise
            request.usage = bill.taken = priced(reply.usage, self.spec)
            return reply


@contextmanager
def in_time(limit: timedelta) -> Iterator[None]:
    """Cancel what is inside after `limit`. Raises InferenceTimeout then."""
    with anyio.move_on_after(limit.total_seconds()) as scope:
        yield
    if scope.cancelled_caught:
        raise InferenceTimeout(
            f"no answer within {format_duration(limit)}, the provider's requestTimeout"
        )


def usual(input_tokens: int) -> Usage:
    """Return what one request with such a prompt is expected to take."""
    return Usage(1, input_tokens, 0, ANSWER_TOKENS_USUAL)


def priced(usage: Usage, spec: ProviderSpec) -> Usage:
    """Return the usage with its cost by the spec's pricing; it counts as one request at least."""
    return replace(usage, requests=max(usage.requests, 1), cost=price(usage, spec.pricing))


def _counted(reply: Reply, ticket: Ticket) -> Reply:
    """Return the reply with what it took at least, by the length of its texts. Some servers never
    count, and some count one token for everything: no budget would ever hold.
    """
    usage = _at_least(reply.usage, ticket)
    answered = ticket.output_tokens_max if reply.truncated else ANSWER_TOKENS_USUAL
    least = _bytes_of(reply.answer) // (4 * UNDERSTATED_MAX)
    output_tokens = max(usage.output_tokens or answered, least)
    return replace(reply, usage=replace(usage, output_tokens=output_tokens))


def _at_least(usage: Usage, ticket: Ticket) -> Usage:
    """Return the usage with as many prompt tokens as the prompt has at least."""
    least = ticket.input_tokens // UNDERSTATED_MAX
    return replace(usage, input_tokens=max(usage.input_tokens or ticket.input_tokens, least))


def _bytes_of(answer: object) -> int:
    try:
        text = answer if isinstance(answer, str) else json.dumps(answer)
    except (RecursionError, ValueError):
        return 0  # it is no answer, and will be refused as one
    return len(text)
