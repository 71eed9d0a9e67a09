"""Decides what a scan should be doing now: start a run, go on with one, hold still, or rest.

The decision is level-triggered: it follows from the newest spec and from what was handled before,
never from the event that brought the spec. `scan/controller.py` carries it out.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from capscan.core.run.plan import inputs_hash, lineage
from capscan.core.run.timetable import Timetable, reckon
from capscan.model import CapabilityScan, Phase, Run, ScanStatus, Trigger
from capscan.model.scan_status import REQUESTED_AT


@dataclass(frozen=True, slots=True)
class Handled:
    """The part of the spec that has been acted upon."""

    run: Run | None = None
    rescan: str | None = None
    requested_at: str | None = None
    timetable: Timetable = field(default_factory=Timetable)

    @classmethod
    def from_status(cls, status: ScanStatus) -> "Handled":
        """Return what an earlier process has handled."""
        return cls(
            status.run,
            status.last_handled_rescan,
            status.last_handled_requested_at,
            Timetable(status.last_handled_schedule, status.next_schedule_time),
        )

    @property
    def is_unfinished(self) -> bool:
        """Whether a run has begun and not ended."""
        return self.run is not None and self.run.completion_time is None

    @property
    def is_over(self) -> bool:
        """Whether a run has begun and ended."""
        return self.run is not None and self.run.completion_time is not None


@dataclass(frozen=True, slots=True)
class Start:
    """A new run is due."""

    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Continue:
    """The run is not finished."""

    run: Run


@dataclass(frozen=True, slots=True)
class Hold:
    """The scan is suspended, with work left to do."""


@dataclass(frozen=True, slots=True)
class Rest:
    """There is nothing to do."""


Intent = Start | Continue | Hold | Rest


def decide(scan: CapabilityScan, handled: Handled, now: datetime) -> Intent:
    """Return what to do about this spec at this time, given what was handled."""
    trigger = due(scan, handled)
    # A suspended scan that is done stays done: its status must not change by the clock alone.
    at_rest = not (handled.is_unfinished or scan.spec.suspend)
    if trigger is None and at_rest and handled.timetable.is_due(now):
        trigger = Trigger.SCHEDULED
    return _obeying(scan, handled, trigger)


def _obeying(scan: CapabilityScan, handled: Handled, trigger: Trigger | None) -> Intent:
    if scan.spec.suspend:
        return Hold() if trigger or handled.is_unfinished else Rest()
    if trigger:
        return Start(trigger)
    if handled.run and handled.is_unfinished:
        return Continue(handled.run)
    return Rest()


def with_timetable(scan: CapabilityScan, handled: Handled, now: datetime) -> Handled:
    """Return what was handled, with the time at which the next run is due by this spec."""
    return replace(handled, timetable=reckon(scan.spec, handled.timetable, now))


def is_obeyed(scan: CapabilityScan, handled: Handled, phase: Phase) -> bool:
    """Whether the scan does what this spec wants.

    Until it does, its status speaks of an older generation: the end of a run that an edit overtook
    is no answer to the edit.
    """
    match _obeying(scan, handled, due(scan, handled)):
        case Start():
            return False
        case Hold():
            return phase is Phase.SUSPENDED
        case Continue() | Rest():
            return True


def asks_otherwise(before: CapabilityScan, after: CapabilityScan) -> bool:
    """Whether the user changed anything, as opposed to a status that somebody wrote."""
    annotation = before.metadata.annotations.get(REQUESTED_AT)
    return before.spec != after.spec or annotation != after.metadata.annotations.get(REQUESTED_AT)


def due(scan: CapabilityScan, handled: Handled) -> Trigger | None:
    """Return why the spec wants a new run; None where it wants none. A rescan that comes with an
    edit is a rescan: it asks again about what the run before it has done.
    """
    if handled.run is None:
        return Trigger.CREATED
    rescan = scan.spec.rescan
    requested_at = scan.metadata.annotations.get(REQUESTED_AT)
    if (rescan and rescan != handled.rescan) or (
        requested_at and requested_at != handled.requested_at
    ):
        return Trigger.RESCAN
    if handled.run.inputs_hash != inputs_hash(scan.spec):
        return Trigger.SPEC_CHANGED
    return None


def begin(
    scan: CapabilityScan,
    handled: Handled,
    trigger: Trigger,
    *,
    token: str,
    owner: str,
    now: datetime,
) -> Handled:
    """Return what is handled once a new run has begun; `token` is fresh and has no dash.

    An edit in mid-run makes a new run of the same lineage: what is done and still wanted counts
    as unchanged in it, under `refresh: Always` too. A run that follows the cluster is of the same
    lineage as well: one CRD that was added is no reason to ask about all of them.
    """
    run_id = token
    edited = handled.is_unfinished and trigger is Trigger.SPEC_CHANGED
    if handled.run and (edited or trigger is Trigger.FOLLOW):
        run_id = f"{lineage(handled.run.id)}-{token}"
    run = Run(
        id=run_id,
        trigger=trigger,
        inputs_hash=inputs_hash(scan.spec),
        dry_run=scan.spec.dry_run,
        owner=owner,
        start_time=now,
    )
    return Handled(
        run=run,
        rescan=scan.spec.rescan or handled.rescan,
        requested_at=scan.metadata.annotations.get(REQUESTED_AT) or handled.requested_at,
        timetable=reckon(scan.spec, Timetable(), now),
    )


def asking(run: Run) -> str:
    """Return what stands for the run where a provider lets a scan begin one only once in a while.
    A run that an edit made of another goes on as that one; one that follows the cluster is new.
    """
    return run.id if run.trigger is Trigger.FOLLOW else lineage(run.id)


def outranks(theirs: Run | None, ours: Run | None) -> bool:
    """Whether another operator's run is the one whose status stays. Two operators at rest would
    overwrite each other for ever. The later run wins, by start times as both operators read them.
    """
    if theirs is None or ours is None or theirs.owner == ours.owner:
        return False
    return _seniority(theirs) > _seniority(ours)


def _seniority(run: Run) -> tuple[datetime, int, str]:
    return run.start_time.replace(microsecond=0), run.resumed, run.owner
