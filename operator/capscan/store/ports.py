"""What reads stored Capabilities in bulk needs of a store: a search index, the command line.

What a run needs of a store is `Store` in `scan/ports.py`. The same class may serve both.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from capscan.model import Capability


@dataclass(frozen=True, slots=True)
class NamedCapability:
    """One stored Capability; its name is the name of its CRD."""

    name: str
    capability: Capability


class Catalogue(Protocol):
    """All stored Capabilities, for readers."""

    def list_all(self) -> AsyncGenerator[NamedCapability]:
        """Yield every Capability in full, holding a bounded number of them in memory.

        No name comes twice. A Capability that is there during the whole of the listing is yielded;
        one that is written or deleted meanwhile may be missed, or seen as it was before. One that
        cannot be understood is left out. Raises ScanError. Close the generator where it is left
        early.
        """
        ...

    async def read(self, name: str) -> Capability | None:
        """Return one in full; None where there is none. Raises ScanError."""
        ...
