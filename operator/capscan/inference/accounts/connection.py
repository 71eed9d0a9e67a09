"""What an account asks through: a client of its provider's protocol, and the gate before it.

Limits belong to endpoint, key and model together. So accounts that agree in these share a gate,
whatever they are called, and the stricter of their orders holds.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from weakref import WeakValueDictionary

import anyio
from pydantic import SecretStr

from capscan.core.limits.combined import most_careful, strictest
from capscan.core.limits.ratelimit_headers import http_date, observed_limits, retry_after_s
from capscan.inference.accounts.gate import Gate
from capscan.inference.api.apis import open_api
from capscan.inference.api.protocol import ModelApi
from capscan.inference.asking import AnswerRoom
from capscan.model import ObservedLimits, ProviderSpec

CLOSE_TIMEOUT_S = 2.0


class SharedGate:
    """The gate of all who are one account at a provider, for as long as one of them is."""

    def __init__(self, first: ProviderSpec) -> None:
        self.gate = Gate(
            first.protocol, first.limits, adaptive=first.adaptive, breaker=first.circuit_breaker
        )
        self._orders: list[ProviderSpec] = []

    def join(self, spec: ProviderSpec) -> None:
        """From now on these limits hold too."""
        self._orders.append(spec)
        self._obey()

    def leave(self, spec: ProviderSpec) -> None:
        """They no longer hold."""
        self._orders.remove(spec)
        if self._orders:
            self._obey()

    def _obey(self) -> None:
        self.gate.configure(
            strictest([spec.limits for spec in self._orders]),
            adaptive=any(spec.adaptive for spec in self._orders),
            breaker=most_careful([spec.circuit_breaker for spec in self._orders]),
        )


class Connection:
    """One key at one endpoint, for one model. Entered by each question that uses it."""

    def __init__(
        self, client: ModelApi, shared: SharedGate, spec: ProviderSpec, key: str | None
    ) -> None:
        shared.join(spec)
        self.client = client
        self.room = AnswerRoom()
        self._shared = shared
        self._spec = spec
        self._key = key
        self._users = 0
        self._retired = False

    @property
    def gate(self) -> Gate:
        """Where its requests wait for their turn."""
        return self._shared.gate

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
        if not self._retired:
            self._shared.leave(self._spec)
        self._retired = True
        await self._close_if_done()

    async def _close_if_done(self) -> None:
        if self._retired and not self._users:
            with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):  # who asked may be cancelled
                await self.client.aclose()


class Connections:
    """Opens connections."""

    def __init__(self) -> None:
        self._gates: WeakValueDictionary[tuple[str, ...], SharedGate] = WeakValueDictionary()

    def open(self, spec: ProviderSpec, key: str | None) -> Connection:
        """Nothing is sent yet. Raises ProviderUnusable over an address or a certificate."""
        client = open_api(spec, None if key is None else SecretStr(key), read_limits)
        account = hashlib.sha256((key or "").encode()).hexdigest()
        place = (spec.protocol, client.address, account, spec.model)
        shared = self._gates.get(place)
        if shared is None:
            shared = self._gates[place] = SharedGate(spec)
        return Connection(client, shared, spec, key)


def read_limits(headers: Mapping[str, str]) -> tuple[ObservedLimits | None, float | None]:
    """What a response says of the account's limits, and the seconds it asks to wait; by the clock
    of the server, where it tells the time.
    """
    now = http_date(headers.get("date", "")) or datetime.now(UTC)
    return observed_limits(headers, now), retry_after_s(headers, now)
