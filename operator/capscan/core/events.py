"""What happens to a run's items: one stream, many readers (status, logs, later metrics).

An item that has to be asked about is in flight from `CrdStarted` to `CrdReleased`. What became of
it is one more event, unless it was interrupted: then it is still pending.
"""

from dataclasses import dataclass

from capscan.model import FailedItem


@dataclass(frozen=True, slots=True)
class CrdStarted:
    """An item is in flight."""

    name: str


@dataclass(frozen=True, slots=True)
class CrdReleased:
    """It is no longer in flight: answered, given up, or interrupted."""

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


Settled = CrdScanned | CrdUnchanged | CrdFailed | CrdSkipped
ScanEvent = CrdStarted | Settled | CrdReleased
