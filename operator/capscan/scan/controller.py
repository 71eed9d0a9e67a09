"""Keeps one CapabilityScan moving: decides what is due, works on it, reports.

One controller per object, found by UID. It holds the newest spec and what was handled; the rules
are in `core/lifecycle.py`, the work in `scan/session.py`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import anyio

from capscan.core import lifecycle
from capscan.core.budget import exhausted, rest_of
from capscan.core.conditions import Stall, beside
from capscan.core.errors import KubeError, MissingPermission, ObjectGone, ScanError, StatusRejected
from capscan.core.lifecycle import Continue, Handled, Hold, Intent, Rest, Start
from capscan.core.notice import Notice
from capscan.core.progress import Tally, progress
from capscan.core.question import Pace
from capscan.core.retry import stepped_s
from capscan.core.standing import Standing
from capscan.core.status import Snapshot, finished_run, project, restate
from capscan.model import CapabilityScan, Phase, Run, ScanStatus, Trigger
from capscan.model.duration import format_duration
from capscan.scan.following import Lookout
from capscan.scan.ports import Ports, StatusSink
from capscan.scan.report import Reporter
from capscan.scan.session import Session
from capscan.scan.waiting import until_due

logger = logging.getLogger(__name__)

INTERRUPT_GRACE_S = 3.0
"""For items in flight when a suspend or an edit interrupts a run: long enough for most answers
that are under way, short enough to be obeyed within seconds."""

STALL_RETRY_S = (2.0, 5.0, 10.0, 30.0)
"""Pauses before a stalled run, or a refused status, is tried again; the last one repeats."""

LAST_WRITE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who works on runs, and how it names new ones."""

    owner: str
    token: Callable[[], str]


class ScanController:
    """Owns one CapabilityScan for as long as it exists."""

    def __init__(
        self, scan: CapabilityScan, sink: StatusSink, ports: Ports, identity: Identity
    ) -> None:
        self._scan = scan
        self._sink = sink
        self._ports = ports
        self._identity = identity
        self._shown = scan.status
        self._at = Standing.from_status(scan.status)
        self._session: Session | None = None
        self._lookout = Lookout(ports, self._wake)
        self._changed = anyio.Event()
        self._closing = False
        self._signed = False
        """Whether a status was written that names this operator as the owner of the run."""
        self._rival = ""
        self._reporter = Reporter(self._write, self._interval_s)

    @property
    def name(self) -> str:
        """Name of the CapabilityScan."""
        return self._scan.metadata.name

    def observe(self, scan: CapabilityScan) -> None:
        """Take the newest spec; what is running obeys it at once."""
        if not self._sink.observe(scan):
            return
        before, self._scan = self._scan, scan
        self._lookout.attend(self._scan)
        if self._session:
            self._session.obey()
            if not isinstance(self._intent(), Continue):
                self._session.stop(INTERRUPT_GRACE_S)
        if lifecycle.asks_otherwise(before, scan):
            self._changed.set()
        if before.metadata.generation != scan.metadata.generation:
            self._reporter.hurry()
        self._reporter.touch()

    def provider_changed(self, name: str) -> None:
        """Do not wait any longer with a stall that a provider may have caused: this one, or one
        whose fallback it is.
        """
        if self._at.stall_heals or (self._at.resting and self._lookout.has_news):
            logger.debug("%s: the provider %s changed, trying again", self.name, name)
            self._changed.set()

    def hindrance_changed(self) -> None:
        """Say so in the status."""
        self._reporter.hurry()

    def close(self, grace_s: float) -> None:
        """End soon: items in flight have `grace_s` seconds, then the last status is written."""
        self._closing = True
        self._changed.set()
        if self._session:
            self._session.stop(grace_s)

    async def run(self) -> None:
        """Work until closed, or until the scan is gone."""
        self._lookout.attend(self._scan)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._reporter.run)
                await self._keep_moving()
                group.cancel_scope.cancel()
            with anyio.move_on_after(LAST_WRITE_TIMEOUT_S, shield=True):
                await self._reporter.flush()
        except* ObjectGone:
            logger.info("%s: deleted; its Capabilities stay", self.name, extra={"scan": self.name})
        finally:
            self._lookout.leave(self._scan)

    async def _keep_moving(self) -> None:
        while not self._closing:
            self._changed = anyio.Event()
            match self._intent():
                case Start(trigger):
                    self._begin(trigger)
                    await self._work()
                case Continue():
                    self._take_up()
                    if stall := self._used_up():
                        await self._wait_for_budget(stall)
                    else:
                        await self._work()
                case Hold():
                    self._hold()
                    await self._reporter.flush()
                    await self._changed.wait()
                case Rest():
                    self._lift()
                    self._at = replace(self._at, resting=True)
                    self._reporter.touch()
                    if await self._is_behind() and not self._closing:
                        self._begin(Trigger.FOLLOW)
                        await self._work()
                    else:
                        await until_due(
                            self._at.handled.timetable,
                            self._changed,
                            self._ports.now,
                            suspended=self._scan.spec.suspend,
                        )

    def _used_up(self) -> Stall | None:
        tally = self._at.tally or Tally()
        wanted = self._at.spending.wanted
        rest = rest_of(tally.usage, progress(tally), wanted)
        return exhausted(self._scan.spec.budget, tally.usage, wanted, rest)

    async def _wait_for_budget(self, stall: Stall) -> None:
        """Not by trying again: only an edit changes it."""
        if self._at.stall != stall:
            self._log(stall.message, reason=stall.reason)
            self._tell(stall.reason, stall.message, warning=True)
        self._at = self._at.out_of_budget(stall)
        await self._reporter.flush()
        await self._changed.wait()

    def _wake(self) -> None:
        if self._at.resting:
            self._changed.set()

    async def _is_behind(self) -> bool:
        """Whether CRDs have changed in a way that makes work. What cannot be found out is what a
        run would stall at: it begins, and says so.
        """
        spec, run = self._scan.spec, self._at.handled.run
        if run is None or spec.suspend:
            return False
        try:
            return await self._lookout.is_behind(spec, run, self._changed)
        except* (ScanError, KubeError) as errors:
            logger.warning("%s: %s", self.name, errors.exceptions[0], extra=self._fields())
        return True

    def _intent(self) -> Intent:
        """What to do now, by the newest spec."""
        now = self._ports.now()
        handled = lifecycle.with_timetable(self._scan, self._at.handled, now)
        self._at = replace(self._at, handled=handled)
        return lifecycle.decide(self._scan, handled, now)

    def _begin(self, trigger: Trigger) -> None:
        self._lift()
        handled = lifecycle.begin(
            self._scan,
            self._at.handled,
            trigger,
            token=self._identity.token(),
            owner=self._identity.owner,
            now=self._ports.now(),
        )
        self._at = self._at.begun(handled, finished_run(self._shown))
        self._log(f"run {self._at.run.id} starts ({trigger})", trigger=str(trigger))
        self._tell("Started", f"Run {self._at.run.id} starts: {trigger}.")

    def _take_up(self) -> None:
        """Go on with a run that another process, or this one before a suspend, has begun."""
        if self._at.engaged != self._at.run.id:
            self._log(f"run {self._at.run.id} goes on where it was")
            self._tell("Resumed", f"Run {self._at.run.id} goes on where it was.")
        self._at = self._at.taken_up(self._identity.owner)

    def _hold(self) -> None:
        if self._at.phase is not Phase.SUSPENDED:
            self._tell("Suspended", "Set spec.suspend to false to go on.")
            self._log("suspended")
        self._at = self._at.held()

    def _lift(self) -> None:
        """Show a finished run as finished again, once nothing is held back any more."""
        run = self._at.handled.run
        if self._at.phase is Phase.SUSPENDED and run and run.completion_time:
            self._at = self._at.let_go(self._scan.spec.max_failed_percent)
            self._shown = project(self._snapshot(), self._shown, self._ports.now())

    async def _work(self) -> None:
        session = self._session = Session(
            self._ports,
            scan=self.name,
            run=self._at.run,
            spec=lambda: self._scan.spec,
            before=self._at.tally,
            spending=self._at.spending,
            on_change=self._reporter.touch,
        )
        try:
            await self._go_through(session)
            self._at = replace(self._at, stalls=0)
        except ObjectGone:
            raise
        except ScanError as error:
            await self._stalled(Stall(error.reason, str(error)))
        except KubeError as error:
            await self._stalled(Stall("ApiServerError", str(error)))
        except Exception as error:
            logger.exception("%s: a bug ended this session", self.name, extra=self._fields())
            cause = f"{type(error).__name__}: {error}"
            await self._stalled(Stall("InternalError", f"{cause}; see the operator's log."))
        finally:
            tally = None if self._at.run.dry_run else session.tally
            self._at = replace(self._at, tally=tally, spending=session.spending)
            self._session = None

    async def _go_through(self, session: Session) -> None:
        self._at = self._at.discovering()
        await self._reporter.flush()
        self._lookout.has_news = False
        await session.discover()
        if session.stopped:
            return
        self._at = self._at.scanning()
        await self._reporter.flush()
        await session.scan()
        if session.finished:
            self._finish(session)
            await self._reporter.flush()
            phase = self._at.phase
            self._tell(phase.value, self._shown.message or "", warning=phase is Phase.FAILED)

    def _finish(self, session: Session) -> None:
        run = self._at.run
        self._at = self._at.ended(session.outcome, self._ports.now(), session.estimate)
        phase, took = self._at.phase, self._at.run.duration
        lasted = format_duration(took or timedelta(0))
        self._log(f"run {run.id} is {phase} after {lasted}", phase=str(phase))

    async def _stalled(self, stall: Stall) -> None:
        if stall != self._at.stall:
            logger.error(
                "%s: stalled: %s: %s", self.name, stall.reason, stall.message,
                extra=self._fields(reason=stall.reason),
            )  # fmt: skip
        if self._at.stall is None or self._at.stall.reason != stall.reason:
            self._tell(stall.reason, stall.message, warning=True)
        pause_s = stepped_s(STALL_RETRY_S, self._at.stalls)
        planned = self._session is None or self._session.planned
        self._at = self._at.stalled(stall, planned=planned)
        await self._reporter.flush()
        with anyio.move_on_after(pause_s):
            await self._changed.wait()

    def _tell(self, reason: str, note: str, *, warning: bool = False) -> None:
        notice = Notice(reason, note, warning)
        self._ports.events.tell("CapabilityScan", self._scan.metadata, notice)

    def _log(self, message: str, **more: str) -> None:
        logger.info("%s: %s", self.name, message, extra=self._fields(**more))

    def _fields(self, **more: str) -> dict[str, str]:
        """What a log line is about."""
        run = self._at.handled.run
        return {"scan": self.name} | ({"run": run.id} if run else {}) | more

    def _snapshot(self) -> Snapshot:
        session = self._session
        provider = session.provider if session else None
        pace = session.pace if session else Pace()
        run, shown = self._at.handled.run, self._shown
        before = shown if run and shown.run and shown.run.id == run.id else ScanStatus()
        return Snapshot(
            generation=self._at.obeyed,
            phase=self._at.phase,
            handled=self._at.handled,
            listed=session.listed if session else 0,
            tally=session.tally if session else self._at.tally,
            working_s=session.working_s if session else 0.0,
            eta_s=session.eta_s if session else None,
            obstacle=pace.obstacle,
            stand_in=pace.stand_in,
            provider=provider.name if provider else before.provider,
            model=provider.model if provider else before.model,
            stall=self._at.stall,
            last_run=self._at.last_run,
            estimate=self._at.estimate,
            budget=self._scan.spec.budget,
        )

    def _render(self, previous: ScanStatus) -> ScanStatus:
        if lifecycle.is_obeyed(self._scan, self._at.handled, self._at.phase):
            self._at = replace(self._at, obeyed=self._scan.metadata.generation)
        self._warn_of(previous.run)
        if self._at.resting:
            self._yield_to(previous)
            self._shown = restate(
                self._shown,
                self._at.obeyed,
                self._at.handled.timetable,
                self._ports.now(),
                hindrance=self._ports.hindrance() or self._lookout.hindrance,
            )
        else:
            # By what was shown last: of what others wrote over it, nothing is ours.
            self._shown = project(self._snapshot(), self._shown, self._ports.now())
        held = beside(self._shown.conditions or (), previous.conditions or ())
        return self._shown.model_copy(update={"conditions": held or None})

    def _warn_of(self, run: Run | None) -> None:
        """Of another operator that writes though this one has: once for each that does."""
        if not (self._signed and run) or run.owner in (self._identity.owner, self._rival):
            return
        self._rival = run.owner
        logger.warning(
            "%s: another operator, %s, works on it too; run one, or each asks for itself",
            self.name, run.owner, extra=self._fields(),
        )  # fmt: skip

    def _yield_to(self, previous: ScanStatus) -> None:
        """Two operators at rest would undo each other's last word for ever: the later run stays."""
        theirs, ours = previous.run, self._shown.run
        if theirs is None or ours is None or theirs.owner == ours.owner:
            return
        if _seniority(theirs) < _seniority(ours):
            return
        self._shown = previous
        if theirs.completion_time is not None:
            self._at = replace(self._at, handled=Handled.from_status(previous))

    def _interval_s(self) -> float:
        return self._scan.spec.progress_interval.total_seconds()

    async def _write(self) -> bool:
        """Write the status, however long it takes until that is let through.

        Until then nothing is asked: what is not written down would be asked again.
        """
        refusals = 0
        while True:
            try:
                written = await self._sink.update(self._render)
            except (MissingPermission, StatusRejected) as error:
                logger.error(
                    "%s: %s", self.name, error,
                    extra=self._fields(reason=error.reason),
                )  # fmt: skip
                await anyio.sleep(stepped_s(STALL_RETRY_S, refusals))
                refusals += 1
            else:
                run = self._shown.run
                self._signed |= run is not None and run.owner == self._identity.owner
                return written


def _seniority(run: Run) -> tuple[datetime, int, str]:
    """Of two operators' runs the greater one stays; times as both of them read them."""
    return run.start_time.replace(microsecond=0), run.resumed, run.owner
