"""Keeps one CapabilityScan moving: decides what is due, works on it, reports.

One controller per object, found by UID. It holds the newest spec and what was handled; the rules
are in `core/lifecycle.py`, the work in `scan/session.py`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import anyio

from capscan.core import lifecycle, progress
from capscan.core.conditions import Stall
from capscan.core.errors import KubeError, MissingPermission, ObjectGone, ScanError, StatusRejected
from capscan.core.lifecycle import Continue, Handled, Hold, Rest, Start
from capscan.core.progress import Tally
from capscan.core.status import Snapshot, finished_run, project, restate
from capscan.model import CapabilityScan, Phase, Run, ScanStatus, Trigger
from capscan.scan.ports import Ports, StatusSink
from capscan.scan.report import Reporter
from capscan.scan.session import Session

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
        self._handled = Handled.from_status(scan.status)
        self._shown = scan.status
        self._phase = scan.status.phase or Phase.PENDING
        self._stall: Stall | None = None
        self._stalls = 0
        self._tally = progress.reported(scan.status.progress, scan.status.failed_items)
        self._session: Session | None = None
        self._last_run = scan.status.last_run
        self._engaged: str | None = None
        self._resting = True
        self._obeyed = scan.status.observed_generation
        self._changed = anyio.Event()
        self._closing = False
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
        if self._session:
            self._session.resize(scan.spec.parallelism)
            if not isinstance(lifecycle.decide(scan, self._handled), Continue):
                self._session.stop(INTERRUPT_GRACE_S)
        if lifecycle.asks_otherwise(before, scan):
            self._changed.set()
        self._reporter.touch()

    def provider_changed(self, name: str) -> None:
        """Do not wait any longer with a stall that this provider may have caused."""
        if self._stall and self._scan.spec.provider_ref.name == name:
            self._changed.set()

    def close(self, grace_s: float) -> None:
        """End soon: items in flight have `grace_s` seconds, then the last status is written."""
        self._closing = True
        self._changed.set()
        if self._session:
            self._session.stop(grace_s)

    async def run(self) -> None:
        """Work until closed, or until the scan is gone."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._reporter.run)
                await self._keep_moving()
                group.cancel_scope.cancel()
            with anyio.move_on_after(LAST_WRITE_TIMEOUT_S, shield=True):
                await self._reporter.flush()
        except* ObjectGone:
            logger.info("%s: deleted; its Capabilities stay", self.name, extra={"scan": self.name})

    async def _keep_moving(self) -> None:
        while not self._closing:
            self._changed = anyio.Event()
            match lifecycle.decide(self._scan, self._handled):
                case Start(trigger):
                    self._begin(trigger)
                    await self._work()
                case Continue(run):
                    self._take_up(run)
                    await self._work()
                case Hold():
                    self._hold()
                    await self._reporter.flush()
                    await self._changed.wait()
                case Rest():
                    self._lift()
                    self._resting = True
                    self._reporter.touch()
                    await self._changed.wait()

    def _begin(self, trigger: Trigger) -> None:
        self._lift()
        self._last_run = finished_run(self._shown) or self._last_run
        self._handled = lifecycle.begin(
            self._scan,
            self._handled,
            trigger,
            token=self._identity.token(),
            owner=self._identity.owner,
            now=self._ports.now(),
        )
        run = self._handled.run
        self._engaged = run.id if run else None
        self._tally = None
        self._stall, self._stalls = None, 0
        self._resting = False
        logger.info(
            "%s: run %s starts (%s)", self.name, self._engaged, trigger,
            extra=self._fields(run, trigger=str(trigger)),
        )  # fmt: skip

    def _take_up(self, run: Run) -> None:
        """Go on with a run that another process, or this one before a suspend, has begun."""
        self._resting = False
        if self._engaged == run.id:
            return
        resumed = run.model_copy(update={"owner": self._identity.owner, "resumed": run.resumed + 1})
        self._handled = replace(self._handled, run=resumed)
        self._engaged = run.id
        logger.info("%s: run %s goes on where it was", self.name, run.id, extra=self._fields(run))

    def _hold(self) -> None:
        self._resting = False
        self._phase = Phase.SUSPENDED
        self._stall = None
        self._engaged = None
        logger.info("%s: suspended", self.name, extra=self._fields(self._handled.run))

    def _lift(self) -> None:
        """Show a finished run as finished again, once nothing is held back any more."""
        run = self._handled.run
        if self._phase is Phase.SUSPENDED and run and run.completion_time:
            limit = self._scan.spec.max_failed_percent
            self._phase = progress.outcome(self._tally or Tally(), limit)
            self._shown = project(self._snapshot(), self._shown, self._ports.now())

    async def _work(self) -> None:
        run = self._current_run()
        session = self._session = Session(
            self._ports,
            scan=self.name,
            run=run,
            spec=lambda: self._scan.spec,
            before=self._tally,
            on_change=self._reporter.touch,
        )
        try:
            await self._go_through(session)
            self._stalls = 0
        except ObjectGone:
            raise
        except ScanError as error:
            await self._stalled(Stall(error.reason, str(error)))
        except KubeError as error:
            await self._stalled(Stall("ApiServerError", str(error)))
        except Exception as error:
            logger.exception("%s: a bug ended this session", self.name, extra=self._fields(run))
            cause = f"{type(error).__name__}: {error}"
            await self._stalled(Stall("InternalError", f"{cause}; see the operator's log."))
        finally:
            self._tally = session.tally
            self._session = None

    async def _go_through(self, session: Session) -> None:
        # A stall stays visible until the listing that it prevented works: no flapping.
        if self._stall is None:
            self._phase = Phase.DISCOVERING
        await self._reporter.flush()
        await session.discover()
        if session.stopped:
            return
        self._stall = None
        self._phase = Phase.SCANNING
        await self._reporter.flush()
        await session.scan()
        if session.finished:
            self._finish(session)
            await self._reporter.flush()

    def _finish(self, session: Session) -> None:
        run, now = self._current_run(), self._ports.now()
        took = max(now - run.start_time, timedelta(0))
        ended = run.model_copy(update={"completion_time": now, "duration": took})
        self._handled = replace(self._handled, run=ended)
        self._engaged = None
        self._phase = session.outcome
        logger.info(
            "%s: run %s is %s after %s", self.name, run.id, self._phase, took,
            extra=self._fields(run, phase=str(self._phase)),
        )  # fmt: skip

    async def _stalled(self, stall: Stall) -> None:
        logger.error(
            "%s: stalled: %s: %s", self.name, stall.reason, stall.message,
            extra=self._fields(self._handled.run, reason=stall.reason),
        )  # fmt: skip
        if self._session and not self._session.planned:
            self._phase = Phase.PENDING
        self._stall = stall
        pause_s = _pause_s(self._stalls)
        self._stalls += 1
        await self._reporter.flush()
        with anyio.move_on_after(pause_s):
            await self._changed.wait()

    def _fields(self, run: Run | None, **more: str) -> dict[str, str]:
        """What a log line is about."""
        return {"scan": self.name} | ({"run": run.id} if run else {}) | more

    def _current_run(self) -> Run:
        run = self._handled.run
        if run is None:
            raise RuntimeError("no run has begun")
        return run

    def _snapshot(self) -> Snapshot:
        session = self._session
        provider = session.provider if session else None
        return Snapshot(
            generation=self._obeyed,
            phase=self._phase,
            handled=self._handled,
            listed=session.listed if session else 0,
            tally=session.tally if session else self._tally,
            working_s=session.working_s if session else 0.0,
            provider=provider.name if provider else self._shown.provider,
            model=provider.model if provider else self._shown.model,
            stall=self._stall,
            last_run=self._last_run,
        )

    def _render(self, previous: ScanStatus) -> ScanStatus:
        if lifecycle.is_obeyed(self._scan, self._handled, self._phase):
            self._obeyed = self._scan.metadata.generation
        if self._resting:
            self._yield_to(previous)
            self._shown = restate(self._shown, self._obeyed)
        else:
            self._shown = project(self._snapshot(), previous, self._ports.now())
        return self._shown

    def _yield_to(self, previous: ScanStatus) -> None:
        """Two operators at rest would undo each other's last word for ever: the later run stays."""
        theirs, ours = previous.run, self._shown.run
        if theirs is None or ours is None or theirs.owner == ours.owner:
            return
        if _seniority(theirs) < _seniority(ours):
            return
        logger.warning(
            "%s: another operator, %s, works on it too; run one, or each asks for itself",
            self.name,
            theirs.owner,
        )
        self._shown = previous
        if theirs.completion_time is not None:
            self._handled = Handled.from_status(previous)

    def _interval_s(self) -> float:
        return self._scan.spec.progress_interval.total_seconds()

    async def _write(self) -> bool:
        """Write the status, however long it takes until that is let through.

        Until then nothing is asked: what is not written down would be asked again.
        """
        refusals = 0
        while True:
            try:
                return await self._sink.update(self._render)
            except (MissingPermission, StatusRejected) as error:
                logger.error(
                    "%s: %s", self.name, error,
                    extra=self._fields(self._handled.run, reason=error.reason),
                )  # fmt: skip
                await anyio.sleep(_pause_s(refusals))
                refusals += 1


def _seniority(run: Run) -> tuple[datetime, int, str]:
    """Of two operators' runs the greater one stays; times as both of them read them."""
    return run.start_time.replace(microsecond=0), run.resumed, run.owner


def _pause_s(times_before: int) -> float:
    return STALL_RETRY_S[min(times_before, len(STALL_RETRY_S) - 1)]
