"""A gate in virtual time, and a provider that answers from a script."""

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from capscan.inference.accounts.gate import Gate, Ticket
from capscan.model import Limits, Usage
from capscan.model.provider import ApiProtocol
from tests.inference.accounts.simulated import Answer

OK = Answer(Usage(1, 100, 0, 10), None)
UNLIMITED = Limits()
TICKET = Ticket("scan")

HELD_S = 1e6


def gate(limits: Limits = UNLIMITED, *, adaptive: bool = True) -> Gate:
    return Gate(ApiProtocol.OPENAI, limits, adaptive=adaptive)


class Provider:
    """Answers after a second, but for what the script says; then as the script's last reply."""

    def __init__(self, *script: Answer | Exception, takes_s: float = 1.0) -> None:
        self.script = list(script)
        self.takes_s = takes_s
        self.in_flight = 0
        self.in_flight_max = 0
        self.called_at_s: list[float] = []

    async def __call__(self) -> Answer:
        self.called_at_s.append(anyio.current_time())
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            await anyio.sleep(self.takes_s)
        finally:
            self.in_flight -= 1
        reply = self.script.pop(0) if self.script else OK
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def calls(self) -> int:
        return len(self.called_at_s)


async def together(count: int, ask: Callable[[], Coroutine[Any, Any, object]]) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(ask)


async def failing(count: int, gate: Gate, error: Exception) -> None:
    """Send so many requests that fail, one after the other and at once."""
    for _ in range(count):
        with pytest.raises(type(error)):
            await gate.ask(TICKET, Provider(error, takes_s=0.0))


async def has_all_permits(gate: Gate) -> bool:
    """Return whether as many requests are under way at once as the gate has permits: none of them
    was lost, and no request that is gone is in the way. The circuit has to be closed.
    """
    permits, provider = gate.statistics().permits, Provider(takes_s=HELD_S)
    with anyio.move_on_after(HELD_S - 1):
        await together(permits + 1, lambda: gate.ask(TICKET, provider))
    return provider.in_flight_max == permits
