"""The sentences that `status.message` can have. A stall brings its own sentence, and the sentence
of a dry run's estimate is in `core/money/estimate.py`.
"""

from capscan.core.conditions import DONE
from capscan.core.money import estimate
from capscan.core.money.budget import overrun
from capscan.core.pace import Pace
from capscan.core.run.progress import Tally, all_failed, progress
from capscan.core.text import counted
from capscan.model import Budget, Estimate, Phase, Progress

LISTING = "Listing CustomResourceDefinitions."


def at_work(counts: Progress | None, provider: str | None, pace: Pace) -> str:
    """Return the sentence of a run that asks `provider`, or the one that stands in for it."""
    if counts is None:
        return "Nothing is known about this run yet."
    if pace.obstacle:
        whom = pace.stand_in or provider
        return f"Waiting for {whom}: {counts.summary} settled. {pace.obstacle}"
    settled = f"Analysing CRDs: {counts.settled} of {counts.total} settled."
    if pace.stand_in:
        return f"{settled} Asking {pace.stand_in} while {provider} is away."
    return settled


def rehearsing(counts: Progress | None) -> str:
    """Return the sentence of a dry run that is not over."""
    looked_at = f": {counts.summary}" if counts else ""
    return f"Dry run: looking at what would be asked{looked_at}."


def suspended(conclusion: str | None, counts: Progress | None) -> str:
    """Return the sentence of a suspended scan. Where there is a `conclusion`, the last run is over
    and the next one waits.
    """
    if conclusion is not None:
        return f"Suspended; the next run waits for spec.suspend: false. The last one: {conclusion}"
    done = f" with {counts.summary} CRDs settled" if counts else ""
    return f"Suspended{done}; set spec.suspend to false to go on."


def conclusion(
    phase: Phase,
    tally: Tally | None,
    budget: Budget,
    found: Estimate | None = None,
    *,
    listed: int | None = None,
) -> str:
    """Return what came of a run. `found` is the estimate of a dry run. `listed` is the number of
    CRDs in the cluster, matching or not; None where nobody has counted them.
    """
    if found and phase in DONE:
        return estimate.message(found)
    if tally is None:
        return "Nothing is known about this run."
    return f"{_ended(phase, progress(tally), listed)} {overrun(budget, tally.usage)}".rstrip()


def _ended(phase: Phase, counts: Progress, listed: int | None) -> str:
    if phase is Phase.FAILED and all_failed(counts) and counts.settled == counts.total:
        return (
            f"Nothing could be analysed: {counts.failed} of {counted(counts.total, 'CRD')} failed "
            f"({_reasons(counts)}). Mend the cause, then set a new value in spec.rescan."
        )
    if phase is Phase.FAILED:
        return (
            f"Stopped: {counts.failed} of {counted(counts.total, 'CRD')} failed "
            f"({_reasons(counts)}), more than spec.maxFailedPercent allows. Mend the cause, then "
            "set a new value in spec.rescan."
        )
    if counts.total == 0:
        none = "No CRDs" if listed is None else f"0 of {counted(listed, 'CRD')}"
        return (
            f"{none} match the selector; nothing to do. `kubectl get crds --show-labels` lists "
            "the names for spec.selector.include and the labels for matchLabels; exclude wins "
            "over include."
        )
    parts = (
        (counts.completed, "analysed"),
        (counts.unchanged, "unchanged"),
        (counts.skipped, "deleted meanwhile"),
        (counts.failed, f"failed ({_reasons(counts)})"),
    )
    ends = f"{counted(counts.total, 'CRD')}: {', '.join(f'{n} {what}' for n, what in parts if n)}."
    if not counts.failed:
        return ends
    names, them = ("names it", "it") if counts.failed == 1 else ("names them", "them")
    return f"{ends} status.failedItems {names}; a new value in spec.rescan tries {them} again."


def _reasons(counts: Progress) -> str:
    """Return the reasons with their counts, the most frequent one first."""
    by_count = sorted(counts.failed_by_reason.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {n}" for reason, n in by_count)
