"""The status as a function of what is known: `render` makes it, `merge_patch` ships it.

A status is always rendered whole, never incremented, and a run at rest by the same rules as one at
work. So a conflict, a lost response or a status that somebody removed is answered the same way:
read again, render again, send the difference.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from capscan.core.conditions import DONE, WORKING, Stall, conditions
from capscan.core.eta.latency import Latencies
from capscan.core.money import pricing
from capscan.core.pace import Pace
from capscan.core.run.progress import Tally, progress, rate_per_s
from capscan.core.status import sentences
from capscan.core.status.state import ScanState
from capscan.core.text import shorten
from capscan.model import Phase, RunLatency, RunUsage, ScanStatus, Usage
from capscan.model.duration import format_duration, format_latency
from capscan.model.scan_status import IN_FLIGHT_NAMES_MAX

MESSAGE_CHARS_MAX = 1024
NO_PACE = Pace()


@dataclass(frozen=True, slots=True)
class Live:
    """What a process knows of a run while it works on it, beside where it stands."""

    tally: Tally | None = None
    working_s: float = 0.0
    """Seconds this process has worked on the run."""
    eta_s: float | None = None
    """Seconds left; None while that means nothing."""
    pace: Pace = NO_PACE
    provider: str | None = None
    model: str | None = None


def render(
    state: ScanState,
    live: Live | None,
    previous: ScanStatus,
    now: datetime,
    *,
    generation: int,
    hindrance: Stall | None = None,
) -> ScanStatus:
    """Render the status, as an answer to that generation of the spec. `previous` lends the
    transition times, Ready, and what was measured of this run while somebody worked on it. A
    `hindrance` is what keeps the operator from seeing in time that another run is due.
    """
    run, timetable = state.handled.run, state.handled.timetable
    before = previous if run and previous.run and previous.run.id == run.id else ScanStatus()
    known = live or Live(state.tally)
    # What a dry run counts was looked at, which is nobody's progress.
    tally = None if state.is_dry else known.tally
    counts = progress(tally) if tally else None
    provider = known.provider or before.provider
    scanning = state.phase is Phase.SCANNING and state.stall is None
    waiting = scanning and bool(known.pace.obstacle)
    standing_still = waiting or (live is None and state.handled.is_over)
    eta = _eta(known.eta_s) if scanning else None
    omitted = counts.failed - len(tally.failed_items) if tally and counts else 0
    said = shorten(_said(state, known, provider), MESSAGE_CHARS_MAX)
    trouble = (timetable.flaw or hindrance) if state.phase in DONE else None
    return ScanStatus(
        observed_generation=generation,
        phase=state.phase,
        message=shorten(trouble.message, MESSAGE_CHARS_MAX) if trouble else said,
        run=run,
        last_handled_rescan=state.handled.rescan,
        last_handled_requested_at=state.handled.requested_at,
        last_handled_schedule=timetable.reckoned_by,
        next_schedule_time=timetable.next_time,
        progress=counts,
        eta=format_duration(eta) if eta is not None else None,
        estimated_completion_time=now + eta if eta is not None else None,
        provider=provider,
        model=known.model or before.model,
        # Of a provider that is away they would only fall: not worth a write at each new try.
        throughput_per_minute=(
            before.throughput_per_minute if standing_still else _throughput(state, known)
        ),
        latency=(_latency(tally.latencies) if tally else None) or before.latency,
        speedup=before.speedup if standing_still else _speedup(known),
        usage=_usage(tally.usage) if tally else None,
        in_flight=list(tally.in_flight)[:IN_FLIGHT_NAMES_MAX] if tally and scanning else None,
        failed_items=list(tally.failed_items) if tally and tally.failed_items else None,
        failed_items_omitted=omitted if omitted > 0 else None,
        last_run=state.last_run,
        estimate=state.estimate,
        conditions=conditions(
            state.phase,
            said,
            generation=generation,
            stall=state.stall,
            waiting=waiting,
            previous=previous.conditions or (),
            now=now,
            flaw=timetable.flaw,
            hindrance=hindrance,
            dry_run=state.is_dry,
        ),
    )


def _said(state: ScanState, live: Live, provider: str | None) -> str:
    """The sentence for a person, whatever else may be in the way of the next run."""
    if state.stall:
        return state.stall.message
    counts = progress(live.tally) if live.tally else None
    if state.suspended:
        over = state.conclusion if state.handled.is_over else None
        return sentences.suspended(over, None if state.is_dry else counts)
    if state.phase not in WORKING:
        return state.conclusion
    if state.is_dry:
        return sentences.rehearsing(counts)
    if state.phase is not Phase.SCANNING:
        return sentences.LISTING
    return sentences.at_work(counts, provider, live.pace)


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


def _throughput(state: ScanState, live: Live) -> float | None:
    """Items a minute; of a finished run over its whole time."""
    run, tally = state.handled.run, live.tally
    if tally is None or state.is_dry:
        return None
    if run and run.duration is not None:
        counts = progress(tally)
        asked, took_s = counts.completed + counts.failed, max(run.duration.total_seconds(), 1.0)
        return round(asked * 60 / took_s, 1) if asked else None
    if state.phase is not Phase.SCANNING or state.stall:
        return None
    rate = rate_per_s(tally, live.working_s)
    return round(rate * 60, 1) if rate else None


def _speedup(live: Live) -> float | None:
    """Only where somebody else answers: the offline analysis has nothing to wait for."""
    tally = live.tally
    if not tally or not tally.usage.requests or live.working_s <= 0:
        return None
    asked_s = tally.latencies.total_s + tally.in_vain.total_s
    # Without one nothing came back since this process has begun.
    return round(asked_s / live.working_s, 1) if asked_s else None


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
