"""Decides when a run may ask a provider that has a least time between two runs of a scan.

A scan is known by its name, so that deleting it and creating it again gains nothing. As many scans
as are remembered may begin a run within that time; one more waits for the oldest of them, so that
new names gain nothing either.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from capscan.core.money.day import moment
from capscan.model.duration import format_duration
from capscan.model.spent import RECENT_RUNS_MAX, PaidRun


@dataclass(frozen=True, slots=True)
class PaidRuns:
    """The newest run of each scan that asked; the oldest first."""

    runs: tuple[PaidRun, ...] = ()

    def due(self, scan: str, run: str, interval: timedelta | None, now: datetime) -> datetime:
        """Return when that run of that scan may ask: `now` or later."""
        if interval is None or self.has(scan, run):
            return now
        last = self._blocking(scan)
        # A clock that was set back makes nobody wait for longer than the interval.
        return now if last is None else max(now, min(last.time, now) + interval)

    def has(self, scan: str, run: str) -> bool:
        """Whether that run was let through already."""
        return any((one.scan, one.run) == (scan, run) for one in self.runs)

    def begun(self, scan: str, run: str, now: datetime) -> "PaidRuns":
        """Return what is remembered once that run was let through."""
        others = [one for one in self.runs if one.scan != scan]
        mine = PaidRun(scan=scan, run=run[:64], time=now)
        return PaidRuns((*others[-(RECENT_RUNS_MAX - 1) :], mine))

    def waits(self, name: str, scan: str, interval: timedelta, due: datetime) -> str:
        """Return in a sentence what a run waits for at the provider `name`."""
        last = self._blocking(scan)
        once = format_duration(interval)
        if last is None or last.scan != scan:
            why = f"and {RECENT_RUNS_MAX} other scans have begun one within that time"
        else:
            why = f"and one of {scan} has begun to ask at {moment(last.time)}"
        return (
            f"The InferenceProvider {name} lets a scan begin one run in {once} "
            f"(spec.minimumRunInterval), {why}. This run goes on at {moment(due)}."
        )

    def _blocking(self, scan: str) -> PaidRun | None:
        """Return the run that the next one of that scan comes after; None where there is none."""
        mine = next((one for one in self.runs if one.scan == scan), None)
        if mine is None and len(self.runs) >= RECENT_RUNS_MAX:
            return self.runs[0]
        return mine
