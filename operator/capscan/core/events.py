"""What happens to a run's items: one stream, many readers (status, logs, later metrics).

`CrdStarted` opens an item; exactly one of the others closes it.
"""

from dataclasses import dataclass

from capscan.model import FailedItem


@dataclass(frozen=True, slots=True)
class CrdStarted:
    """An item is in flight."""

    name: str


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


@dataclass(frozen=True, slots=True)
class CrdReleased:
    """Interrupted by a suspend, an edit or the operator's end: still pending."""

    name: str


Settled = CrdScanned | CrdUnchanged | CrdFailed | CrdSkipped
ScanEvent = CrdStarted | Settled | CrdReleased
