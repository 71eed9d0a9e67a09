"""Keeps one CapabilityScan moving: decides what is due, works on it, reports.

One controller per object, found by UID. It holds the newest spec and what was handled; the rules
are in `core/run/lifecycle.py`, the work in `scan/session.py`.
"""

from dataclasses import replace

import anyio

from capscan.core.conditions import Stall
from capscan.core.errors import KubeError, ObjectGone, ScanError
from capscan.core.retry import MENDING_RETRY_S, stepped_s
from capscan.core.run import lifecycle
from capscan.core.run.lifecycle import Continue, Hold, Intent, Rest, Start
from capscan.core.status import sentences
from capscan.core.status.state import ScanState
from capscan.model import CapabilityScan, ScanStatus, Trigger
from capscan.scan.following import Lookout
from capscan.scan.ports import Identity, Ports, ScanStatusSink
from capscan.scan.report import Reporter, insist
from capscan.scan.session import Session
from capscan.scan.statement import Statement
from capscan.scan.voice import Voice
from capscan.scan.waiting import until_due

INTERRUPT_GRACE_S = 3.0
"""For items in flight when a suspend or an edit interrupts a run: long enough for most answers
that are under way, short enough to be obeyed within seconds."""

LAST_WRITE_TIMEOUT_S = 2.0


class ScanController:
    """Owns one CapabilityScan for as long as it exists."""

    def __init__(
        self, scan: CapabilityScan, sink: ScanStatusSink, ports: Ports, identity: Identity
    ) -> None:
        self._scan = scan
        self._sink = sink
        self._ports = ports
        self._identity = identity
        self._state = ScanState.from_status(scan.status, scan.spec)
        self._session: Session | None = None
        self._voice = Voice(ports.events, scan.metadata, lambda: self._state.handled.run)
        self._lookout = Lookout(ports, self._wake)
        self._changed = anyio.Event()
        self._closing = False
        self._signed = False
        """Whether a status was written that names this operator as the owner of the run."""
        self._statement = Statement(scan.status, ports, self._lookout)
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
        self._yield_to(scan.status)
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
        if self._state.stall_heals or (self._state.resting and self._lookout.has_news):
            self._voice.provider_changed(name)
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
            self._voice.gone()
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
                    if stall := self._state.used_up(self._scan.spec.budget):
                        await self._wait_for_budget(stall)
                    else:
                        await self._work()
                case Hold():
                    if not self._state.suspended:
                        self._voice.suspended()
                    self._state = self._state.held()
                    await self._reporter.flush()
                    await self._changed.wait()
                case Rest():
                    self._state = self._state.at_rest()
                    self._reporter.touch()
                    late = await self._lookout.is_behind(self._scan, self._state.run, self._changed)
                    if late and not self._closing:
                        self._begin(Trigger.FOLLOW)
                        await self._work()
                    else:
                        await until_due(
                            self._state.handled.timetable,
                            self._changed,
                            self._ports.now,
                            suspended=self._scan.spec.suspend,
                        )

    async def _wait_for_budget(self, stall: Stall) -> None:
        """Not by trying again: only an edit changes it."""
        if self._state.stall != stall:
            self._voice.out_of_budget(stall)
        self._state = self._state.out_of_budget(stall)
        await self._reporter.flush()
        await self._changed.wait()

    def _wake(self) -> None:
        if self._state.resting:
            self._changed.set()

    def _intent(self) -> Intent:
        """What to do now, by the newest spec."""
        now = self._ports.now()
        handled = lifecycle.with_timetable(self._scan, self._state.handled, now)
        self._state = replace(self._state, handled=handled)
        return lifecycle.decide(self._scan, handled, now)

    def _begin(self, trigger: Trigger) -> None:
        handled = lifecycle.begin(
            self._scan,
            self._state.handled,
            trigger,
            token=self._identity.token(),
            owner=self._identity.owner,
            now=self._ports.now(),
        )
        self._state = self._state.begun(handled)
        self._voice.begins(self._state.run)

    def _take_up(self) -> None:
        """Go on with a run that another process, or this one before a suspend, has begun."""
        if self._state.engaged != self._state.run.id:
            self._voice.goes_on(self._state.run)
        self._state = self._state.taken_up(self._identity.owner)

    async def _work(self) -> None:
        session = self._session = Session(
            self._ports,
            scan=self.name,
            run=self._state.run,
            spec=lambda: self._scan.spec,
            before=self._state.tally,
            spending=self._state.spending,
            on_change=self._reporter.touch,
        )
        try:
            await self._go_through(session)
            self._state = replace(self._state, stalls=0)
        except ObjectGone:
            raise
        except Exception as error:
            if not isinstance(error, ScanError | KubeError):
                self._voice.bug(error)
            await self._stalled(Stall.by(error))
        finally:
            tally = None if self._state.is_dry else session.tally
            self._state = replace(self._state, tally=tally, spending=session.spending)
            self._session = None

    async def _go_through(self, session: Session) -> None:
        self._state = self._state.discovering()
        await self._reporter.flush()
        self._lookout.has_news = False
        await session.discover()
        if session.stopped:
            return
        self._state = self._state.scanning()
        await self._reporter.flush()
        await session.scan()
        if session.finished:
            await self._finish(session)

    async def _finish(self, session: Session) -> None:
        budget, phase, found = self._scan.spec.budget, session.final_phase, session.estimate
        conclusion = sentences.conclusion(
            phase, session.tally, budget, found, listed=session.listed
        )
        self._state = self._state.ended(phase, conclusion, self._ports.now(), found)
        await self._reporter.flush()
        self._voice.ended(self._state.run, phase, conclusion)

    async def _stalled(self, stall: Stall) -> None:
        self._voice.stalled(stall, self._state.stall)
        pause_s = stepped_s(MENDING_RETRY_S, self._state.stalls)
        planned = self._session is None or self._session.planned
        self._state = self._state.stalled(stall, planned=planned)
        await self._reporter.flush()
        with anyio.move_on_after(pause_s):
            await self._changed.wait()

    def _yield_to(self, found: ScanStatus) -> None:
        """To the run of another operator, once that has ended: then its last word is ours too."""
        run, ours = found.run, self._state.handled.run
        if run and run.completion_time and self._state.resting and lifecycle.outranks(run, ours):
            self._voice.rival(run.owner)
            self._state = ScanState.from_status(found, self._scan.spec)
            self._statement.adopt(found)

    def _render(self, found: ScanStatus) -> ScanStatus:
        if self._signed and found.run and found.run.owner != self._identity.owner:
            self._voice.rival(found.run.owner)
        return self._statement.render(self._scan, self._state, self._session, found)

    def _interval_s(self) -> float:
        return self._scan.spec.progress_interval.total_seconds()

    async def _write(self) -> bool:
        written = await insist(lambda: self._sink.update(self._render), self._voice.refused)
        run = self._state.handled.run
        self._signed |= run is not None and run.owner == self._identity.owner
        return written
