"""Computes when a scheduled run is due.

The status keeps the next time, and the schedule that it was computed from. So times that passed
while the operator was away, the scan suspended or a run at work make one run, however many they
were. A schedule that was edited begins with its first time that is still to come.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from capscan.core.conditions import Stall
from capscan.model import ScanSpec

_FIELDS = 5
"""cronsim takes a sixth field for seconds."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """The next time, in UTC. There is none without a schedule, or with a flaw in it or its zone."""

    reckoned_by: str | None = None
    next_time: datetime | None = None
    flaw: Stall | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether the next time has come."""
        return self.next_time is not None and self.next_time <= now


def reckon(spec: ScanSpec, before: Timetable, now: datetime) -> Timetable:
    """Return the timetable by this spec. A time that has come and was not handled stays.

    Where a clock was set back, the kept time is not the next one any more, and is replaced.
    """
    if not spec.schedule:
        zone = _zone(spec.time_zone)
        return Timetable(flaw=zone if isinstance(zone, Stall) else None)
    by = f"{spec.schedule} {spec.time_zone}"
    following = next_time(spec.schedule, spec.time_zone, now)
    if isinstance(following, Stall):
        return Timetable(flaw=following)
    if before.reckoned_by == by and before.next_time is not None:
        following = min(before.next_time, following)
    return Timetable(by, following)


def next_time(schedule: str, time_zone: str, now: datetime) -> datetime | Stall:
    """Return the first time after `now`, in UTC.

    Where a zone's clocks change, this follows Debian's cron: a time that the clocks skip comes when
    the hour is over, a time that comes twice counts once, and `*` and steps of hours go by real
    time.
    """
    zone = _zone(time_zone)
    if isinstance(zone, Stall):
        return zone
    if len(schedule.split()) != _FIELDS:
        return _invalid(f"spec.schedule: {schedule!r} has not five fields; {_EXAMPLE}")
    try:
        found = next(CronSim(schedule, now.astimezone(zone)))
    except CronSimError as error:
        wrong = str(error).removeprefix("Bad ")
        if wrong == "day-of-month" and _comes_in_other_months(schedule, now):
            return _never(schedule)
        return _invalid(f"spec.schedule: {schedule!r} has a wrong {wrong}; {_EXAMPLE}")
    except StopIteration:
        return _never(schedule)
    return found.astimezone(UTC)


def _comes_in_other_months(schedule: str, now: datetime) -> bool:
    """Whether the day exists in other months: cronsim refuses 30 February and the 99th alike."""
    minute, hour, day, _, weekday = schedule.split()
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", now)
    except CronSimError:
        return False
    return True


def _never(schedule: str) -> Stall:
    return _invalid(
        f"spec.schedule: {schedule!r} never comes, as no year has such a day; write a day that the "
        'month has, or L for its last one, such as "0 3 L * *" for three o\'clock on the last day '
        "of each month"
    )


def _zone(name: str) -> ZoneInfo | Stall:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found; no name of a zone; a folder of zones
        return _invalid(
            f"spec.timeZone: there is no zone {name!r}; write a name of the IANA database, "
            "such as Europe/Berlin, in its own spelling"
        )


_EXAMPLE = (
    'write minute, hour, day of month, month and day of week, such as "0 3 * * 1-5" for three '
    "o'clock on weekdays"
)


def _invalid(message: str) -> Stall:
    return Stall("InvalidSchedule", f"{message}. Until then nothing starts by schedule.")
