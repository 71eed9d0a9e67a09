"""Tells of a scan beside its status: by a line in the log, and by an Event where it is news."""

import logging
from collections.abc import Callable
from datetime import timedelta

from capscan.core.conditions import Stall
from capscan.core.errors import ScanError
from capscan.core.notice import Notice
from capscan.model import ObjectMeta, Phase, Run
from capscan.model.duration import format_duration
from capscan.scan.ports import Events

logger = logging.getLogger(__name__)


class Announcer:
    """Logs and posts Events about one CapabilityScan; `run` says which run is at hand."""

    def __init__(self, events: Events, scan: ObjectMeta, run: Callable[[], Run | None]) -> None:
        self._events = events
        self._scan = scan
        self._run = run
        self._rival = ""

    def begins(self, run: Run) -> None:
        """Tell that a new run begins."""
        self._log(f"run {run.id} starts ({run.trigger})", trigger=str(run.trigger))
        self._tell("Started", f"Run {run.id} starts: {run.trigger}.")

    def goes_on(self, run: Run) -> None:
        """Tell that a run goes on that another process began, or this one before a suspend."""
        self._log(f"run {run.id} goes on where it was")
        self._tell("Resumed", f"Run {run.id} goes on where it was.")

    def suspended(self) -> None:
        """Tell that the scan stands still until spec.suspend is false."""
        self._tell("Suspended", "Set spec.suspend to false to go on.")
        self._log("suspended")

    def ended(self, run: Run, phase: Phase, conclusion: str) -> None:
        """Tell that the run is over; its end is written already."""
        lasted = format_duration(run.duration or timedelta(0))
        self._log(f"run {run.id} is {phase} after {lasted}", phase=str(phase))
        self._tell(phase.value, conclusion, warning=phase is Phase.FAILED)

    def out_of_budget(self, stall: Stall) -> None:
        """Tell that the run goes no further before somebody edits the budget."""
        self._log(stall.message, reason=stall.reason)
        self._tell(stall.reason, stall.message, warning=True)

    def stalled(self, stall: Stall, before: Stall | None) -> None:
        """Tell that the run cannot go on; a stall that is the one `before` is not told again."""
        if stall != before:
            self._complain(f"stalled: {stall.reason}: {stall.message}", reason=stall.reason)
        if before is None or stall.reason != before.reason:
            self._tell(stall.reason, stall.message, warning=True)

    def refused(self, error: ScanError) -> None:
        """Tell that the status could not be written."""
        self._complain(str(error), reason=error.reason)

    def bug(self, error: Exception) -> None:
        """Tell of a bug that ended a session."""
        self._complain("a bug ended this session", error)

    def rival(self, owner: str) -> None:
        """Tell, once, that another operator writes the same status."""
        if owner == self._rival:
            return
        self._rival = owner
        logger.warning(
            "%s: another operator, %s, works on it too; run one, or each asks for itself",
            self._scan.name, owner, extra=self._fields(),
        )  # fmt: skip

    def provider_changed(self, name: str) -> None:
        """Tell that what the scan waits for may be mended."""
        logger.debug("%s: the provider %s changed, trying again", self._scan.name, name)

    def gone(self) -> None:
        """Tell that the object was deleted."""
        name = self._scan.name
        logger.info("%s: deleted; its Capabilities stay", name, extra={"scan": name})

    def _complain(self, message: str, error: Exception | None = None, **more: str) -> None:
        extra = self._fields(**more)
        logger.error("%s: %s", self._scan.name, message, exc_info=error, extra=extra)

    def _tell(self, reason: str, note: str, *, warning: bool = False) -> None:
        self._events.tell("CapabilityScan", self._scan, Notice(reason, note, warning))

    def _log(self, message: str, **more: str) -> None:
        logger.info("%s: %s", self._scan.name, message, extra=self._fields(**more))

    def _fields(self, **more: str) -> dict[str, str]:
        """Return what a log line is about."""
        run = self._run()
        return {"scan": self._scan.name} | ({"run": run.id} if run else {}) | more
