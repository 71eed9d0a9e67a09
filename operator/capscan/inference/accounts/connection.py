"""What an account asks through: a client of its provider's protocol, and the gate before it.

Limits belong to endpoint, key and model together. So accounts that agree in these share a gate,
whatever they are called, and of each limit that they set the stricter one holds.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from weakref import WeakValueDictionary

import anyio
import httpx2
from pydantic import SecretStr

from capscan.core.answer.room import AnswerRoom
from capscan.core.limits.combined import most_careful, strictest
from capscan.core.limits.ratelimit_headers import observed_limits, retry_after_s
from capscan.core.limits.waits import http_date
from capscan.inference.accounts.gate import Gate
from capscan.inference.api.apis import open_api
from capscan.inference.api.key_bounds import check_bounds
from capscan.inference.api.protocol import ModelApi
from capscan.model import ObservedLimits, ProviderSpec
from capscan.model.api_key import ApiKey

CLOSE_TIMEOUT_S = 2.0
"""How long closing a client may take."""


class SharedGate:
    """The gate of all specs that name one account at a provider, as long as one of them is there.

    It begins with the spec that named the account first; that one leaves as the others do.
    """

    def __init__(self, first: ProviderSpec) -> None:
        self.gate = Gate(
            first.protocol,
            first.limits,
            adaptive=first.adaptive,
            breaker=first.circuit_breaker,
        )
        self._members = [first]

    def join(self, spec: ProviderSpec) -> None:
        """Let the limits of `spec` hold too from now on."""
        self._members.append(spec)
        self._configure()

    def leave(self, spec: ProviderSpec) -> None:
        """Let the limits of `spec` hold no longer."""
        self._members.remove(spec)
        if self._members:
            self._configure()

    def _configure(self) -> None:
        self.gate.configure(
            strictest([spec.limits for spec in self._members]),
            adaptive=any(spec.adaptive for spec in self._members),
            breaker=most_careful([spec.circuit_breaker for spec in self._members]),
        )


class Connection:
    """One key at one endpoint, for one model. Each question that uses it enters it.

    `spec` is a member of `shared`, until the connection is retired.
    """

    def __init__(
        self, client: ModelApi, shared: SharedGate, spec: ProviderSpec, key: ApiKey | None
    ) -> None:
        self.client = client
        self.room = AnswerRoom()
        self._shared = shared
        self._spec = spec
        self._key = key
        self._users = 0
        self._retired = False

    @property
    def gate(self) -> Gate:
        """The gate at which its requests wait for their turn."""
        return self._shared.gate

    def serves(self, spec: ProviderSpec, key: ApiKey | None) -> bool:
        """Return whether it was opened for this spec and this key."""
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
    """Opens connections, and lets those to one account share a gate.

    `transport` replaces the network.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._gates: WeakValueDictionary[tuple[str, ...], SharedGate] = WeakValueDictionary()

    def open(self, spec: ProviderSpec, key: ApiKey | None) -> Connection:
        """Return a connection; nothing is sent yet.

        Raises ProviderUnusable where no request can be made of an address, a certificate or a key,
        and where the key's Secret does not let it go there.
        """
        value = key.value if key else ""
        secret = SecretStr(value) if key else None
        client = open_api(spec, secret, read_limits, self._transport)
        if key:
            check_bounds(key, spec, client.address)
        account = hashlib.sha256(value.encode()).hexdigest()
        place = (spec.protocol, client.address, account, spec.model)
        shared = self._gates.get(place)
        if shared is None:
            shared = self._gates[place] = SharedGate(spec)
        else:
            shared.join(spec)
        return Connection(client, shared, spec, key)


def read_limits(headers: Mapping[str, str]) -> tuple[ObservedLimits | None, float | None]:
    """Return what a response says of the account's limits, and the seconds it asks to wait.

    Times are read by the clock of the server, where the response tells the time.
    """
    now = http_date(headers.get("date", "")) or datetime.now(UTC)
    return observed_limits(headers, now), retry_after_s(headers, now)
