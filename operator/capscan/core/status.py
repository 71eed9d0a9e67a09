"""The status as a function of what is known: `project` renders it, `merge_patch` ships it.

A status is always rendered whole, never incremented. So a conflict, a lost response or a status
that somebody removed is answered the same way: read again, render again, send the difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from capscan.core import estimate, pricing
from capscan.core.budget import overrun
from capscan.core.conditions import DONE, Stall, at_rest, conditions
from capscan.core.latency import Latencies
from capscan.core.lifecycle import Handled
from capscan.core.progress import Tally, all_failed, progress, rate_per_s
from capscan.core.text import counted, shorten
from capscan.core.timetable import Timetable
from capscan.model import (
    Budget,
    Estimate,
    FinishedRun,
    Phase,
    Progress,
    RunLatency,
    RunUsage,
    ScanStatus,
    Usage,
)
from capscan.model.completion import NO_USAGE
from capscan.model.duration import format_duration, format_latency
from capscan.model.scan_status import IN_FLIGHT_NAMES_MAX

MESSAGE_CHARS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a process knows about one scan."""

    generation: int
    phase: Phase
    handled: Handled
    listed: int = 0
    """CRDs in the cluster, matching or not."""
    tally: Tally | None = None
    working_s: float = 0.0
    """Seconds this process has worked on the run."""
    eta_s: float | None = None
    """Seconds left; None while that means nothing."""
    obstacle: str = ""
    """Why the provider lets nothing through now, in a sentence; empty where it does."""
    stand_in: str = ""
    """Who answers in place of `provider`; empty where nobody does."""
    provider: str | None = None
    model: str | None = None
    stall: Stall | None = None
    last_run: FinishedRun | None = None
    estimate: Estimate | None = None
    budget: Budget = field(default_factory=Budget)


def project(snapshot: Snapshot, previous: ScanStatus, now: datetime) -> ScanStatus:
    """Render the status; `previous` lends the transition times, Ready, and what stands still."""
    tally = snapshot.tally
    counts = progress(tally) if tally else None
    run = snapshot.handled.run
    dry_run = run is not None and run.dry_run
    words = _dry_message if dry_run else _message
    message = snapshot.stall.message if snapshot.stall else words(snapshot, counts)
    message = shorten(message, MESSAGE_CHARS_MAX)
    if dry_run:
        # It counts what was looked at, which is nobody's progress.
        snapshot, tally, counts = replace(snapshot, tally=None), None, None
    scanning = snapshot.phase is Phase.SCANNING and snapshot.stall is None
    eta = _eta(snapshot.eta_s) if scanning else None
    throughput, speedup = _throughput(snapshot, counts), _speedup(snapshot)
    if scanning and snapshot.obstacle and previous.run and run and previous.run.id == run.id:
        # They would fall, and nothing else happens: not worth a write each time somebody tries.
        throughput, speedup = previous.throughput_per_minute, previous.speedup
    omitted = counts.failed - len(tally.failed_items) if tally and counts else 0
    return ScanStatus(
        observed_generation=snapshot.generation,
        phase=snapshot.phase,
        message=message,
        run=run,
        last_handled_rescan=snapshot.handled.rescan,
        last_handled_requested_at=snapshot.handled.requested_at,
        last_handled_schedule=snapshot.handled.timetable.reckoned_by,
        next_schedule_time=snapshot.handled.timetable.next_time,
        progress=counts,
        eta=format_duration(eta) if eta is not None else None,
        estimated_completion_time=now + eta if eta is not None else None,
        provider=snapshot.provider,
        model=snapshot.model,
        throughput_per_minute=throughput,
        latency=_latency(tally.latencies) if tally else None,
        speedup=speedup,
        usage=_usage(tally.usage) if tally else None,
        in_flight=list(tally.in_flight)[:IN_FLIGHT_NAMES_MAX] if tally and scanning else None,
        failed_items=list(tally.failed_items) if tally and tally.failed_items else None,
        failed_items_omitted=omitted if omitted > 0 else None,
        last_run=snapshot.last_run,
        estimate=snapshot.estimate,
        conditions=conditions(
            snapshot.phase,
            message,
            generation=snapshot.generation,
            stall=snapshot.stall,
            waiting=bool(snapshot.obstacle) and scanning,
            previous=previous.conditions or (),
            now=now,
            flaw=snapshot.handled.timetable.flaw,
            dry_run=dry_run,
        ),
    )


def restate(
    status: ScanStatus,
    generation: int,
    timetable: Timetable,
    now: datetime,
    hindrance: Stall | None = None,
) -> ScanStatus:
    """What was reported of a finished run, for a spec that changes nothing about that. A
    `hindrance` is what keeps the operator from seeing in time that another run is due.
    """
    before = status.conditions or ()
    dry_run = status.run is not None and status.run.dry_run
    if status.phase in DONE and not any(c.type == "Complete" for c in before):
        # Somebody took them away while nobody looked.
        before = conditions(
            status.phase,
            status.message or "",
            generation=generation,
            stall=None,
            previous=before,
            now=now,
            dry_run=dry_run,
        )
    # Of what a dry run left as it was, no newer generation can be said to hold.
    old = {"Ready"} if dry_run else set()
    held = [
        c if c.type in old else c.model_copy(update={"observed_generation": generation})
        for c in before
    ]
    message = status.message
    if before and status.phase in DONE:
        outcome = next(c.message for c in before if c.type == "Complete")
        trouble = timetable.flaw or hindrance
        message = trouble.message if trouble else outcome
        message = shorten(message, MESSAGE_CHARS_MAX)
        held = at_rest(
            held, status.phase, timetable.flaw, hindrance, generation=generation, now=now
        )
    return status.model_copy(
        update={
            "observed_generation": generation,
            "message": message,
            "last_handled_schedule": timetable.reckoned_by,
            "next_schedule_time": timetable.next_time,
            "conditions": held or None,
        }
    )


def _eta(eta_s: float | None) -> timedelta | None:
    return None if eta_s is None else timedelta(seconds=max(1, round(eta_s)))


def _latency(latencies: Latencies) -> RunLatency | None:
    average_s = latencies.average_s
    p50_s, p95_s = latencies.percentile_s(50), latencies.percentile_s(95)
    if average_s is None or p50_s is None or p95_s is None:
        return None
    return RunLatency(
        average=format_latency(average_s), p50=format_latency(p50_s), p95=format_latency(p95_s)
    )


def _speedup(snapshot: Snapshot) -> float | None:
    """Only where somebody else answers: the offline analysis has nothing to wait for."""
    tally = snapshot.tally
    if not tally or not tally.usage.requests or snapshot.working_s <= 0:
        return None
    asked_s = tally.latencies.total_s + tally.in_vain.total_s
    # Without one nothing came back since this process has begun.
    return round(asked_s / snapshot.working_s, 1) if asked_s else None


def _usage(usage: Usage) -> RunUsage | None:
    if not usage.requests:
        return None
    return RunUsage(
        requests=usage.requests,
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        cost=pricing.shown(usage.cost) if usage.cost else None,
    )


def _throughput(snapshot: Snapshot, counts: Progress | None) -> float | None:
    """Items a minute; of a finished run over its whole time."""
    tally = snapshot.tally
    if tally and snapshot.phase is Phase.SCANNING and snapshot.stall is None:
        rate = rate_per_s(tally, snapshot.working_s)
        return round(rate * 60, 1) if rate else None
    run = snapshot.handled.run
    if not (run and run.duration and counts):
        return None
    asked = counts.completed + counts.failed
    return round(asked * 60 / max(run.duration.total_seconds(), 1.0), 1) if asked else None


def finished_run(status: ScanStatus) -> FinishedRun | None:
    """What to keep of a run when the next one begins."""
    run = status.run
    if not (run and run.completion_time and status.phase and status.progress):
        return None
    return FinishedRun(
        id=run.id,
        phase=status.phase,
        start_time=run.start_time,
        completion_time=run.completion_time,
        summary=status.progress.summary,
        failed=status.progress.failed,
    )


def _message(snapshot: Snapshot, counts: Progress | None) -> str:
    match snapshot.phase:
        case Phase.PENDING | Phase.DISCOVERING:
            return "Listing CustomResourceDefinitions."
        case Phase.SUSPENDED:
            done = f" with {counts.summary} CRDs settled" if counts else ""
            return f"Suspended{done}; set spec.suspend to false to go on."
        case _ if counts is None:
            return "Nothing is known about this run yet."
        case Phase.SCANNING:
            return _at_work(snapshot, counts)
        case _:
            usage = snapshot.tally.usage if snapshot.tally else NO_USAGE
            return f"{_outcome(snapshot, counts)} {overrun(snapshot.budget, usage)}".rstrip()


def _at_work(snapshot: Snapshot, counts: Progress) -> str:
    if snapshot.obstacle:
        whom = snapshot.stand_in or snapshot.provider
        return f"Waiting for {whom}: {counts.summary} settled. {snapshot.obstacle}"
    settled = f"Analysing CRDs: {counts.settled} of {counts.total} settled."
    if snapshot.stand_in:
        return f"{settled} Asking {snapshot.stand_in} while {snapshot.provider} is away."
    return settled


def _dry_message(snapshot: Snapshot, counts: Progress | None) -> str:
    if snapshot.phase is Phase.SUSPENDED:
        return _message(snapshot, None)
    if snapshot.estimate and snapshot.phase in DONE:
        return estimate.message(snapshot.estimate)
    looked_at = f": {counts.summary}" if counts else ""
    return f"Dry run: looking at what would be asked{looked_at}."


def _outcome(snapshot: Snapshot, counts: Progress) -> str:
    if snapshot.phase is Phase.FAILED:
        if all_failed(counts) and counts.settled == counts.total:
            all_of_them = counted(counts.total, "CRD")
            return (
                f"Nothing could be analysed: {counts.failed} of {all_of_them} failed "
                f"({_reasons(counts)}). Mend the cause, then set a new value in spec.rescan."
            )
        return (
            f"Stopped: {counts.failed} of {counted(counts.total, 'CRD')} failed "
            f"({_reasons(counts)}), more than spec.maxFailedPercent allows. Mend the cause, then "
            "set a new value in spec.rescan."
        )
    if counts.total == 0:
        return (
            f"0 of {counted(snapshot.listed, 'CRD')} match the selector; nothing to do. "
            "`kubectl get crds --show-labels` lists the names for spec.selector.include and the "
            "labels for matchLabels; exclude wins over include."
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
    """The most frequent first."""
    by_count = sorted(counts.failed_by_reason.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {n}" for reason, n in by_count)


def merge_patch(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7386) that turns `current` into `wanted`; empty when they agree.

    A merge patch never removes an absent key, so what is to vanish is sent as null.
    """
    patch: dict[str, Any] = dict.fromkeys(current.keys() - wanted.keys())
    for key, value in wanted.items():
        old = current.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            if inner := merge_patch(old, value):
                patch[key] = inner
        elif key not in current or old != value:
            patch[key] = value
    return patch
