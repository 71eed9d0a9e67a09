"""What happens to a run's items: one stream of events for status, ETA and logs.

An item is in flight from `CrdStarted` to `CrdReleased`, once for each request about it. One more
event, `Settled`, says what became of it; an item that was interrupted has none and stays pending.
"""

from dataclasses import dataclass
from enum import Enum, auto

from capscan.model import FailedItem, Usage
from capscan.model.completion import NO_USAGE


@dataclass(frozen=True, slots=True)
class CrdStarted:
    """A request about the CRD is under way."""

    name: str
    at_s: float
    """When it began, by the clock of the event loop."""


class Ending(Enum):
    """How a request ended."""

    ANSWERED = auto()
    FAILED = auto()
    """The provider worked on it, or did not answer: another try is another request."""
    REFUSED = auto()
    """The provider did not look at it, or was not there: that tells nothing of the next request."""
    INTERRUPTED = auto()
    """capscan no longer waited for the answer."""


@dataclass(frozen=True, slots=True)
class CrdReleased:
    """The request about the CRD is over."""

    name: str
    took_s: float
    ending: Ending
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True)
class CrdScanned:
    """A provider answered and the Capability is stored."""

    name: str


@dataclass(frozen=True, slots=True)
class CrdUnchanged:
    """The CRD changed, but nothing that its analysis depends on: nobody was asked."""

    name: str


@dataclass(frozen=True, slots=True)
class CrdFailed:
    """The CRD was given up; its Capability carries the failed attempt."""

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
