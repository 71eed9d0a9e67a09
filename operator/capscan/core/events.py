"""What happens to a run's items: one stream, many readers (status, logs, later metrics).

An item is in flight from `CrdStarted` to `CrdReleased`, once for each request about it. What became
of it is one more event, unless it was interrupted: then it is still pending.
"""

from dataclasses import dataclass

from capscan.model import FailedItem, Usage
from capscan.model.completion import NO_USAGE


@dataclass(frozen=True, slots=True)
class CrdStarted:
    """A request about it is under way."""

    name: str
    at_s: float
    """By the clock of the event loop."""


@dataclass(frozen=True, slots=True)
class CrdReleased:
    """The request is over: answered, failed, or interrupted."""

    name: str
    took_s: float
    answered: bool
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True)
class CrdScanned:
    """A provider answered and the Capability is stored."""

    name: str
    attempts: int


@dataclass(frozen=True, slots=True)
class CrdUnchanged:
    """The CRD changed, but nothing that its analysis depends on: nobody was asked."""

    name: str


@dataclass(frozen=True, slots=True)
class CrdFailed:
    """Given up; the Capability carries the failed attempt."""

    item: FailedItem

    @property
    def name(self) -> str:
        """Name of the CRD."""
        return self.item.name


@dataclass(frozen=True, slots=True)
class CrdSkipped:
    """The CRD was deleted between the listing and its turn."""

    name: str


Settled = CrdScanned | CrdUnchanged | CrdFailed | CrdSkipped
ScanEvent = CrdStarted | Settled | CrdReleased
