"""Keeps one CapabilityScan moving: decides what is due, works on it, reports.

There is one controller for each object, found by UID. It holds the newest spec and what was
handled. The rules are in `core/run/lifecycle.py`, the work is in `scan/session.py`, and the way of
the status begins in `scan/status_queue.py`.
"""

from dataclasses import replace

import anyio

from capscan.core.conditions import Stall
from capscan.core.errors import InternalError, ObjectGone
from capscan.core.retry import MENDING_RETRY_S, stepped_s
from capscan.core.run import lifecycle
from capscan.core.run.lifecycle import Continue, Hold, Intent, Rest, Start
from capscan.core.status import sentences
from capscan.core.status.rendering import Live
from capscan.core.status.state import ScanState
from capscan.model import CapabilityScan, ScanStatus, Trigger
from capscan.scan.announcer import Announcer
from capscan.scan.following import Lookout
from capscan.scan.job import Job
from capscan.scan.ports import Identity, Ports, ScanStatusSink
from capscan.scan.session import Session
from capscan.scan.status_queue import StatusQueue
from capscan.scan.status_renderer import StatusRenderer
from capscan.scan.status_writer import StatusWriter
from capscan.scan.waiting import Wakeup

INTERRUPT_GRACE_S = 3.0
"""How long items in flight may go on when a suspend or an edit interrupts a run: long enough for
most answers that are under way, and short enough to be obeyed within seconds."""

LAST_WRITE_TIMEOUT_S = 2.0


class ScanController:
    """Owns one CapabilityScan for as long as it exists."""

    def __init__(
        self, scan: CapabilityScan, sink: ScanStatusSink, ports: Ports, identity: Identity
    ) -> None:
        self.scan = scan
        """The newest version."""
        self.state = ScanState.from_status(scan.status, scan.spec)
        """Where the scan stands."""
        self._ports = ports
        self._identity = identity
        self._session: Session | None = None
        """None while no run is at work."""
        self._wakeup = Wakeup()
        self._lookout = Lookout(ports, self._wake)
        self._announcer = Announcer(ports.events, scan.metadata, lambda: self.state.handled.run)
        renderer = StatusRenderer(scan.status, ports, self._lookout)
        self._writer = StatusWriter(sink, renderer, self._announcer, identity.owner)
        self._queue = StatusQueue(
            lambda: self._writer.write(self), self._interval_s, self._announcer.refused
        )

    @property
    def name(self) -> str:
        """Name of the CapabilityScan."""
        return self.scan.metadata.name

    @property
    def live(self) -> Live | None:
        """What the session knows; None while no run is at work."""
        return self._session.live if self._session else None

    def observe(self, scan: CapabilityScan) -> None:
        """Take the newest spec; what is running obeys it at once."""
        if not self._writer.observe(scan):
            return
        before, self.scan = self.scan, scan
        self._lookout.attend(self.scan)
        self._yield_to(scan.status)
        if self._session:
            self._session.obey()
            if not isinstance(self._intent(), Continue):
                self._session.stop(INTERRUPT_GRACE_S)
        if lifecycle.asks_otherwise(before, scan):
            self._wakeup.wake()
            self._queue.overtake()
        if before.metadata.generation != scan.metadata.generation:
            self._queue.hurry()
        self._queue.touch()

    def provider_changed(self, name: str) -> None:
        """Try again at once if the scan is stalled: this provider, or one whose fallback it is, may
        have been the cause.
        """
        if self.state.stall_heals or (self.state.resting and self._lookout.has_news):
            self._announcer.provider_changed(name)
            self._wakeup.wake()

    def hindrance_changed(self) -> None:
        """Say in the status what keeps the operator from seeing changes, or that nothing does."""
        self._queue.hurry()

    def close(self, grace_s: float) -> None:
        """End soon: items in flight have `grace_s` seconds, then the last status is written."""
        self._wakeup.close()
        self._queue.overtake()
        if self._session:
            self._session.stop(grace_s)

    def deleted(self) -> None:
        """Tell that the scan was deleted; whoever calls this cancels `run`."""
        self._announcer.gone()

    async def run(self) -> None:
        """Work until closed, or until the scan is gone."""
        self._lookout.attend(self.scan)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._queue.run)
                await self._keep_moving()
                group.cancel_scope.cancel()
            with anyio.move_on_after(LAST_WRITE_TIMEOUT_S, shield=True):
                await self._queue.flush()
        except* ObjectGone:
            self._announcer.gone()
        finally:
            self._lookout.leave(self.scan)

    async def _keep_moving(self) -> None:
        while not self._wakeup.closing:
            self._wakeup.forget()
            match self._intent():
                case Start(trigger):
                    self._begin(trigger)
                    await self._work()
                case Continue():
                    self._take_up()
                    if stall := self.state.used_up(self.scan.spec.budget):
                        await self._wait_for_budget(stall)
                    else:
                        await self._work()
                case Hold():
                    if not self.state.suspended:
                        self._announcer.suspended()
                    self.state = self.state.held()
                    await self._queue.flush()
                    await self._wakeup.wait()
                case Rest():
                    await self._rest()

    async def _rest(self) -> None:
        """Wait until something changes or a time of the schedule comes; begin a run where news of
        the cluster makes work. Nothing else wakes a scan at rest.
        """
        self.state = self.state.at_rest()
        self._queue.touch()
        late = await self._lookout.is_behind(self.scan, self.state.run, self._wakeup.changed)
        next_time = self.state.handled.timetable.next_time
        if late and not self._wakeup.closing:
            self._begin(Trigger.FOLLOW)
            await self._work()
        elif next_time is None or self.scan.spec.suspend:
            await self._wakeup.wait()
        else:
            await self._wakeup.wait_until(next_time, self._ports.now)

    async def _wait_for_budget(self, stall: Stall) -> None:
        """Wait until something changes: trying again would not help, only an edit does."""
        if self.state.stall != stall:
            self._announcer.out_of_budget(stall)
        self.state = self.state.out_of_budget(stall)
        await self._queue.flush()
        await self._wakeup.wait()

    def _wake(self) -> None:
        if self.state.resting:
            self._wakeup.wake()

    def _intent(self) -> Intent:
        """Return what to do now, by the newest spec."""
        now = self._ports.now()
        handled = lifecycle.with_timetable(self.scan, self.state.handled, now)
        self.state = replace(self.state, handled=handled)
        return lifecycle.decide(self.scan, handled, now)

    def _begin(self, trigger: Trigger) -> None:
        handled = lifecycle.begin(
            self.scan,
            self.state.handled,
            trigger,
            token=self._identity.token(),
            owner=self._identity.owner,
            now=self._ports.now(),
        )
        self.state = self.state.begun(handled)
        self._announcer.begins(self.state.run)

    def _take_up(self) -> None:
        """Go on with a run that another process, or this one before a suspend, has begun."""
        if self.state.engaged != self.state.run.id:
            self._announcer.goes_on(self.state.run)
        self.state = self.state.taken_up(self._identity.owner)

    async def _work(self) -> None:
        job = Job(
            self._ports,
            about=self.scan.metadata,
            run=self.state.run,
            spec=lambda: self.scan.spec,
            before=self.state.tally,
            spending=self.state.spending,
        )
        session = self._session = Session(job, self._queue.touch)
        try:
            with self._queue.refreshing():
                await self._go_through(session)
            self.state = replace(self.state, stalls=0)
        except ObjectGone:
            raise
        except Exception as error:
            stall = Stall.by(error)
            if stall.reason == InternalError.reason:
                self._announcer.bug(error)
            await self._stalled(stall)
        finally:
            self.state = replace(self.state, tally=session.tally_to_keep, spending=session.spending)
            self._session = None

    async def _go_through(self, session: Session) -> None:
        self.state = self.state.discovering()
        if not await self._queue.flush():
            return
        self._lookout.has_news = False
        await session.discover()
        if session.stopped:
            return
        self.state = self.state.scanning()
        if not await self._queue.flush():
            return
        await session.scan()
        if session.finished:
            await self._finish(session)

    async def _finish(self, session: Session) -> None:
        budget, phase, found = self.scan.spec.budget, session.final_phase, session.estimate
        conclusion = sentences.conclusion(
            phase, session.tally, budget, found, listed=session.listed
        )
        self.state = self.state.ended(phase, conclusion, self._ports.now(), found)
        if await self._queue.flush():
            self._announcer.ended(self.state.run, phase, conclusion)

    async def _stalled(self, stall: Stall) -> None:
        self._announcer.stalled(stall, self.state.stall)
        pause_s = stepped_s(MENDING_RETRY_S, self.state.stalls)
        planned = self._session is None or self._session.planned
        self.state = self.state.stalled(stall, planned=planned)
        await self._queue.flush()
        await self._wakeup.wait(pause_s)

    def _yield_to(self, found: ScanStatus) -> None:
        """Take over the status of another operator's run once that has ended, if that run outranks
        ours.
        """
        run, ours = found.run, self.state.handled.run
        if run and run.completion_time and self.state.resting and lifecycle.outranks(run, ours):
            self._announcer.rival(run.owner)
            self.state = ScanState.from_status(found, self.scan.spec)
            self._writer.adopt(found)

    def _interval_s(self) -> float:
        return self.scan.spec.progress_interval.total_seconds()
