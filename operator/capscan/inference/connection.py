"""What an account asks through: a client of its provider's protocol, and the gate before it.

Limits belong to endpoint, key and model together. So accounts that agree in these share a gate,
whatever they are called.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from weakref import WeakValueDictionary

import anyio
from pydantic import SecretStr

from capscan.core.ratelimit_headers import http_date, observed_limits, retry_after_s
from capscan.inference.api.apis import open_api
from capscan.inference.api.protocol import ModelApi
from capscan.inference.asking import AnswerRoom
from capscan.inference.gate import Gate
from capscan.model import ObservedLimits, ProviderSpec

CLOSE_TIMEOUT_S = 2.0


class Connection:
    """One key at one endpoint, for one model. Entered by each question that uses it."""

    def __init__(self, client: ModelApi, gate: Gate, spec: ProviderSpec, key: str | None) -> None:
        self.client = client
        self.gate = gate
        self.room = AnswerRoom()
        self._spec = spec
        self._key = key
        self._users = 0
        self._retired = False

    def serves(self, spec: ProviderSpec, key: str | None) -> bool:
        """Whether it was opened for these."""
        return self._spec == spec and self._key == key

    async def __aenter__(self) -> "Connection":
        self._users += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._users -= 1
        await self._close_if_done()

    async def retire(self) -> None:
        """Close it as soon as the last question that uses it is answered."""
        self._retired = True
        await self._close_if_done()

    async def _close_if_done(self) -> None:
        if self._retired and not self._users:
            with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):  # who asked may be cancelled
                await self.client.aclose()


class Connections:
    """Opens connections."""

    def __init__(self) -> None:
        self._gates: WeakValueDictionary[tuple[str, ...], Gate] = WeakValueDictionary()

    def open(self, spec: ProviderSpec, key: str | None) -> Connection:
        """Nothing is sent yet. Raises ProviderUnusable over an address or a certificate."""
        client = open_api(spec, None if key is None else SecretStr(key), read_limits)
        account = hashlib.sha256((key or "").encode()).hexdigest()
        place = (spec.protocol, client.address, account, spec.model)
        gate = self._gates.get(place)
        if gate is None:
            gate = self._gates[place] = Gate(
                spec.protocol, spec.limits, adaptive=spec.adaptive, breaker=spec.circuit_breaker
            )
        else:
            gate.configure(spec.limits, adaptive=spec.adaptive, breaker=spec.circuit_breaker)
        return Connection(client, gate, spec, key)


def read_limits(headers: Mapping[str, str]) -> tuple[ObservedLimits | None, float | None]:
    """What a response says of the account's limits, and the seconds it asks to wait; by the clock
    of the server, where it tells the time.
    """
    now = http_date(headers.get("date", "")) or datetime.now(UTC)
    return observed_limits(headers, now), retry_after_s(headers, now)
