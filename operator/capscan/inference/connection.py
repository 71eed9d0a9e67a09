"""What an account asks through: a client of its provider's protocol, and the gate before it.

Limits belong to endpoint, key and model together. So accounts that agree in these share a gate,
whatever they are called.
"""

import hashlib
from dataclasses import dataclass
from weakref import WeakValueDictionary

from capscan.inference.gate import Gate
from capscan.inference.protocols import ProtocolClient, open_client
from capscan.model import ProviderSpec


@dataclass(frozen=True, slots=True)
class Connection:
    """One key at one endpoint, for one model."""

    client: ProtocolClient
    gate: Gate
    key: str | None

    def __repr__(self) -> str:
        return f"Connection({self.client!r})"  # without the key


class Connections:
    """Opens connections."""

    def __init__(self) -> None:
        self._gates: WeakValueDictionary[tuple[str, str, str, str], Gate] = WeakValueDictionary()

    def open(self, spec: ProviderSpec, key: str | None) -> Connection:
        """Nothing is sent yet. Raises ProviderUnusable where address or certificates will not do."""
        client = open_client(spec, key)
        account = hashlib.sha256((key or "").encode()).hexdigest()
        place = (spec.protocol, spec.base_url, account, spec.model)
        gate = self._gates.get(place)
        if gate is None:
            gate = self._gates[place] = Gate(
                spec.protocol, spec.limits, adaptive=spec.adaptive, breaker=spec.circuit_breaker
            )
        else:
            gate.configure(spec.limits, adaptive=spec.adaptive, breaker=spec.circuit_breaker)
        return Connection(client, gate, key)
