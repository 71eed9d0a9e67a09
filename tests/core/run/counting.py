"""What the tests of counting share: items, events about them, and what holds of every count."""

from collections.abc import Iterable

from capscan.core.run.events import CrdScanned, CrdStarted, ScanEvent
from capscan.core.run.plan import PlannedItem
from capscan.core.run.progress import Tally, fold
from capscan.model import Progress
from tests.fakes import name_of, ref

REASONS = ["Timeout", "RequestRejected", "InternalError"]


def pending(count: int, first: int = 0) -> tuple[PlannedItem, ...]:
    return tuple(PlannedItem(ref(name_of(n)), "key") for n in range(first, first + count))


def folded(tally: Tally, events: Iterable[ScanEvent]) -> Tally:
    for event in events:
        tally = fold(tally, event)
    return tally


def scanned(*names: str) -> Iterable[ScanEvent]:
    for name in names:
        yield CrdStarted(name, 0.0)
        yield CrdScanned(name)


def consistent(shown: Progress) -> bool:
    """What must hold of every status that a user may see."""
    return (
        shown.settled + shown.in_flight <= shown.total
        and sum(shown.failed_by_reason.values()) == shown.failed
        and shown.summary == f"{shown.settled}/{shown.total}"
        and 0 <= shown.percent <= 100
        and (shown.percent == 100) is (shown.settled == shown.total)
    )


def never_falls(before: Progress, after: Progress) -> bool:
    counts = ("total", "completed", "unchanged", "failed", "skipped")
    return all(getattr(before, name) <= getattr(after, name) for name in counts)
