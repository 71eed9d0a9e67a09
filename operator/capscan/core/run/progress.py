"""Counts what a run has done: from events to the counts in its status.

`Tally` is what this process knows; `progress` turns it into the status field. A run that was taken
up again starts from the plan and from a floor: the counts that an earlier process reported never
fall, even where the cluster has changed since.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from capscan.core.eta.latency import Latencies, add
from capscan.core.run.events import (
    CrdFailed,
    CrdReleased,
    CrdScanned,
    CrdSkipped,
    CrdStarted,
    CrdUnchanged,
    Ending,
    ScanEvent,
)
from capscan.core.run.plan import ScanPlan
from capscan.model import FailedItem, Phase, Progress, RunUsage, Usage
from capscan.model.completion import NO_USAGE
from capscan.model.money import sum_in
from capscan.model.scan_status import FAILED_ITEMS_MAX

RATE_SAMPLES_MIN = 5


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one run as this process knows them."""

    total: int = 0
    completed: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed_by_reason: Mapping[str, int] = field(default_factory=dict)
    failed_items: tuple[FailedItem, ...] = ()
    in_flight: Mapping[str, float] = field(default_factory=dict)
    """Names, and since when by the clock of the event loop; the oldest first."""
    usage: Usage = NO_USAGE
    """What all requests of the run have cost, failed ones too."""
    latencies: Latencies = field(default_factory=Latencies)
    """Of the requests that were answered in this process."""
    in_vain: Latencies = field(default_factory=Latencies)
    """Of the requests that failed though the provider worked on them: these are much shorter, or
    longer."""
    asked: int = 0
    """Items settled since this process took the run up; the throughput is computed from it."""
    floor: Progress = field(default_factory=Progress)
    """What an earlier process reported for this run."""

    @property
    def failed(self) -> int:
        """Items given up."""
        return sum(self.failed_by_reason.values())

    @property
    def settled(self) -> int:
        """Items that need nothing more in this run."""
        return self.completed + self.unchanged + self.failed + self.skipped

    @property
    def remaining(self) -> int:
        """Items that are pending or in flight."""
        return self.total - self.settled


def reported(
    shown: Progress | None,
    failed_items: Iterable[FailedItem] | None = None,
    usage: RunUsage | None = None,
) -> Tally | None:
    """Return what an earlier process left in the status of a run; None where it left no counts."""
    if shown is None:
        return None
    return Tally(
        total=shown.total,
        skipped=shown.skipped,
        failed_by_reason=shown.failed_by_reason,
        failed_items=tuple(failed_items or ()),
        usage=_usage(usage) if usage else NO_USAGE,
        floor=shown,
    )


def _usage(shown: RunUsage) -> Usage:
    return Usage(
        shown.requests,
        shown.input_tokens,
        shown.cached_input_tokens,
        shown.output_tokens,
        sum_in(shown.cost),  # 0 where somebody else wrote what is no sum
    )


def start(
    plan: ScanPlan, before: Tally | None = None, failed_items: Iterable[FailedItem] = ()
) -> Tally:
    """Return the counts before the first event of a session.

    CRDs that `before` counted and that are no longer in the plan were deleted meanwhile: they count
    as skipped.
    """
    floor = progress(before) if before else Progress()
    gone = max(0, floor.total - plan.total - floor.skipped)
    return Tally(
        total=plan.total + floor.skipped + gone,
        completed=plan.completed,
        unchanged=plan.unchanged,
        skipped=floor.skipped + gone,
        failed_by_reason=plan.failed_by_reason,
        failed_items=tuple(failed_items)[:FAILED_ITEMS_MAX],
        usage=before.usage if before else NO_USAGE,
        floor=floor,
    )


def fold(tally: Tally, event: ScanEvent) -> Tally:
    """Return the counts after one more event."""
    if isinstance(event, CrdStarted):
        return replace(tally, in_flight={**tally.in_flight, event.name: event.at_s})
    if isinstance(event, CrdReleased):
        rest = {name: at_s for name, at_s in tally.in_flight.items() if name != event.name}
        return _timed(replace(tally, in_flight=rest, usage=tally.usage + event.usage), event)
    tally = replace(tally, asked=tally.asked + 1)
    match event:
        case CrdScanned():
            return replace(tally, completed=tally.completed + 1)
        case CrdUnchanged():
            return replace(tally, unchanged=tally.unchanged + 1)
        case CrdSkipped():
            return replace(tally, skipped=tally.skipped + 1)
        case CrdFailed(item):
            return _with_failure(tally, item)


def _timed(tally: Tally, event: CrdReleased) -> Tally:
    match event.ending:
        case Ending.ANSWERED:
            return replace(tally, latencies=add(tally.latencies, event.took_s))
        case Ending.FAILED:
            return replace(tally, in_vain=add(tally.in_vain, event.took_s))
        case _:
            return tally


def _with_failure(tally: Tally, item: FailedItem) -> Tally:
    reasons = {**tally.failed_by_reason}
    reasons[item.reason] = reasons.get(item.reason, 0) + 1
    items = tally.failed_items
    if len(items) < FAILED_ITEMS_MAX:
        items = (*items, item)
    return replace(tally, failed_by_reason=reasons, failed_items=items)


def too_many_failed(tally: Tally, max_failed_percent: int) -> bool:
    """Whether more than that share of all items, not of those done so far, has failed."""
    return tally.failed * 100 > max_failed_percent * tally.total


def final_phase(tally: Tally, max_failed_percent: int) -> Phase:
    """Return how a finished run ended. A run in which everything failed has failed, whatever share
    of failures is allowed.
    """
    counts = progress(tally)
    if too_many_failed(tally, max_failed_percent) or all_failed(counts):
        return Phase.FAILED
    return Phase.COMPLETED_WITH_FAILURES if counts.failed else Phase.COMPLETED


def all_failed(counts: Progress) -> bool:
    """Whether there were failures, and nothing was analysed or already known."""
    return bool(counts.failed) and not counts.completed + counts.unchanged


def progress(tally: Tally) -> Progress:
    """Return the status field. No count is below the floor, nor is more settled than there is."""
    floor = tally.floor
    completed = max(tally.completed, floor.completed)
    unchanged = max(tally.unchanged, floor.unchanged)
    reasons = _at_least(floor.failed_by_reason, tally.failed_by_reason)
    failed = sum(reasons.values())
    settled = completed + unchanged + failed + tally.skipped
    total = max(tally.total, floor.total, settled)
    return Progress(
        total=total,
        completed=completed,
        unchanged=unchanged,
        failed=failed,
        skipped=tally.skipped,
        # An item that is asked about a second time counts as settled already.
        in_flight=min(len(tally.in_flight), total - settled),
        percent=100 * settled // total if total else 100,
        summary=f"{settled}/{total}",
        failed_by_reason=reasons,
    )


def _at_least(floor: Mapping[str, int], counts: Mapping[str, int]) -> dict[str, int]:
    return {key: max(floor.get(key, 0), counts.get(key, 0)) for key in {**floor, **counts}}


def rate_per_s(tally: Tally, elapsed_s: float) -> float | None:
    """Return how many items this process settles per second; None while too few are settled."""
    if tally.asked < RATE_SAMPLES_MIN or elapsed_s <= 0:
        return None
    return tally.asked / elapsed_s
