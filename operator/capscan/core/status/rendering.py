"""The status as a function of what is known: `render` makes it, `core/merge_patch.py` makes the
difference that is sent, and `kube/status.py` sends it.

A status is always rendered whole, never incremented, and a run at rest by the same rules as one at
work. So a conflict, a lost response or a status that somebody removed is answered the same way:
read again, render again, send the difference.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from capscan.core.conditions import WORKING, ScanFacts, Stall, conditions
from capscan.core.eta.latency import Latencies
from capscan.core.money import pricing
from capscan.core.pace import Pace
from capscan.core.run.progress import Tally, progress, rate_per_s
from capscan.core.status import sentences
from capscan.core.status.state import ScanState
from capscan.core.text import shorten
from capscan.model import FailedItem, Phase, Progress, RunLatency, RunUsage, ScanStatus, Usage
from capscan.model.duration import format_duration, format_latency
from capscan.model.scan_status import COUNT_MAX, IN_FLIGHT_NAMES_MAX

MESSAGE_CHARS_MAX = 1024
NO_PACE = Pace()


@dataclass(frozen=True, slots=True)
class Live:
    """What a process knows of a run while it works on it, beside the scan's state."""

    tally: Tally | None = None
    working_s: float = 0.0
    """Seconds this process has worked on the run."""
    eta_s: float | None = None
    """Seconds left; None while no estimate means anything."""
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
    handled = state.handled
    view = _View(state, live or Live(state.tally), _of_same_run(state, previous), live is not None)
    facts, eta = view.facts(hindrance), view.eta
    message = shorten(facts.trouble.message, MESSAGE_CHARS_MAX) if facts.trouble else facts.message
    return ScanStatus(
        observed_generation=generation,
        phase=state.phase,
        message=message,
        run=handled.run,
        last_handled_rescan=handled.rescan,
        last_handled_requested_at=handled.requested_at,
        last_handled_schedule=handled.timetable.reckoned_by,
        next_schedule_time=handled.timetable.next_time,
        progress=view.counts,
        eta=format_duration(eta) if eta else None,
        estimated_completion_time=now + eta if eta else None,
        provider=view.provider,
        model=view.known.model or view.before.model,
        throughput_per_minute=view.throughput_per_minute,
        latency=view.latency,
        speedup=view.speedup,
        usage=view.usage,
        in_flight=view.in_flight,
        failed_items=view.failed_items,
        failed_items_omitted=view.failed_items_omitted,
        last_run=state.last_run,
        estimate=state.estimate,
        conditions=conditions(
            facts, generation=generation, previous=previous.conditions or (), now=now
        ),
    )


def _of_same_run(state: ScanState, previous: ScanStatus) -> ScanStatus:
    """Return the previous status where it speaks of the run at hand, else an empty one."""
    run = state.handled.run
    return previous if run and previous.run and previous.run.id == run.id else ScanStatus()


@dataclass(frozen=True, slots=True)
class _View:
    """What is known of a scan at one moment; most properties are fields of its status."""

    state: ScanState
    known: Live
    before: ScanStatus
    """The status so far, where it speaks of the same run; else an empty one."""
    is_live: bool
    """Whether a session of this process works on the run."""

    def facts(self, hindrance: Stall | None) -> ScanFacts:
        """Return what the conditions are judged by."""
        return ScanFacts(
            phase=self.state.phase,
            message=shorten(self._message(), MESSAGE_CHARS_MAX),
            stall=self.state.stall,
            waiting=self.known.pace.reason if self._is_waiting else "",
            flaw=self.state.handled.timetable.flaw,
            hindrance=hindrance,
            dry_run=self.state.is_dry,
        )

    def _message(self) -> str:
        """Return the sentence for a person, whatever else may be in the way of the next run."""
        state = self.state
        if state.stall:
            return state.stall.message
        # Of a dry run the sentences count too: what was looked at.
        counts = progress(self.known.tally) if self.known.tally else None
        if state.suspended:
            over = state.conclusion if state.handled.is_over else None
            return sentences.suspended(over, self.counts)
        if state.phase not in WORKING:
            return state.conclusion
        if state.is_dry:
            return sentences.rehearsing(counts)
        if state.phase is not Phase.SCANNING:
            return sentences.LISTING
        return sentences.at_work(counts, self.provider, self.known.pace)

    @property
    def _is_scanning(self) -> bool:
        return self.state.phase is Phase.SCANNING and self.state.stall is None

    @property
    def _is_waiting(self) -> bool:
        return self._is_scanning and bool(self.known.pace.obstacle)

    @property
    def _stands_still(self) -> bool:
        """Whether rates are left as they were. While a provider is away they would only fall, which
        is not worth a write at each new try.
        """
        return self._is_waiting or (not self.is_live and self.state.handled.is_over)

    @property
    def _tally(self) -> Tally | None:
        """None of a dry run: what it counts was looked at, which is nobody's progress."""
        return None if self.state.is_dry else self.known.tally

    @property
    def counts(self) -> Progress | None:
        return progress(self._tally) if self._tally else None

    @property
    def in_flight(self) -> list[str] | None:
        tally = self._tally
        return list(tally.in_flight)[:IN_FLIGHT_NAMES_MAX] if tally and self._is_scanning else None

    @property
    def failed_items(self) -> list[FailedItem] | None:
        return list(self._tally.failed_items) or None if self._tally else None

    @property
    def failed_items_omitted(self) -> int | None:
        counts = self.counts
        omitted = counts.failed - len(self.failed_items or ()) if counts else 0
        return omitted if omitted > 0 else None

    @property
    def provider(self) -> str | None:
        return self.known.provider or self.before.provider

    @property
    def eta(self) -> timedelta | None:
        """At least a second: `0s` would read as done."""
        eta_s = self.known.eta_s if self._is_scanning else None
        return None if eta_s is None else timedelta(seconds=max(1, round(eta_s)))

    @property
    def latency(self) -> RunLatency | None:
        return (_latency(self._tally.latencies) if self._tally else None) or self.before.latency

    @property
    def usage(self) -> RunUsage | None:
        return _usage(self._tally.usage) if self._tally else None

    @property
    def throughput_per_minute(self) -> float | None:
        """Items a minute; of a finished run over its whole time."""
        if self._stands_still:
            return self.before.throughput_per_minute
        run, counts = self.state.handled.run, self.counts
        if self._tally is None or counts is None:
            return None
        if run and run.duration is not None:
            asked, took_s = counts.completed + counts.failed, max(run.duration.total_seconds(), 1.0)
            return round(asked * 60 / took_s, 1) if asked else None
        rate = rate_per_s(self._tally, self.known.working_s) if self._is_scanning else None
        return round(rate * 60, 1) if rate else None

    @property
    def speedup(self) -> float | None:
        """Only where somebody else answers: the offline analysis has nothing to wait for."""
        if self._stands_still:
            return self.before.speedup
        tally, working_s = self.known.tally, self.known.working_s
        if not tally or not tally.usage.requests or working_s <= 0:
            return None
        asked_s = tally.latencies.total_s + tally.in_vain.total_s
        # 0 where no request has ended since this process took the run up.
        return round(asked_s / working_s, 1) if asked_s else None


def _latency(latencies: Latencies) -> RunLatency | None:
    average_s = latencies.average_s
    p50_s, p95_s = latencies.percentile_s(50), latencies.percentile_s(95)
    if average_s is None or p50_s is None or p95_s is None:
        return None
    return RunLatency(
        average=format_latency(average_s), p50=format_latency(p50_s), p95=format_latency(p95_s)
    )


def _usage(usage: Usage) -> RunUsage | None:
    if not usage.requests:
        return None
    return RunUsage(
        requests=min(usage.requests, COUNT_MAX),
        input_tokens=min(usage.input_tokens, COUNT_MAX),
        cached_input_tokens=min(usage.cached_input_tokens, COUNT_MAX),
        output_tokens=min(usage.output_tokens, COUNT_MAX),
        total_tokens=min(usage.input_tokens + usage.output_tokens, COUNT_MAX),
        cost=pricing.shown(usage.cost) if usage.cost else None,
    )
