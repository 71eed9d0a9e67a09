"""When a scheduled run is due."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.conditions import Stall
from capscan.core.run.timetable import Timetable, next_time, reckon
from capscan.model import ScanSpec

NIGHTLY = ScanSpec(schedule="0 3 * * *")
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOON = at("2026-01-01T12:00")
THREE = at("2026-01-02T03:00")


@pytest.mark.parametrize(
    ("schedule", "zone", "now", "then"),
    [
        ("0 3 * * *", "UTC", "2026-01-01T12:00", "2026-01-02T03:00"),
        ("0 3 * * *", "Etc/UTC", "2026-01-01T03:00", "2026-01-02T03:00"),
        ("0 3 * * *", "Europe/Berlin", "2026-01-01T12:00", "2026-01-02T02:00"),
        ("0 3 L 2 *", "UTC", "2026-01-01T12:00", "2026-02-28T03:00"),
        ("0 3 29 2 *", "UTC", "2026-01-01T12:00", "2028-02-29T03:00"),
        ("0 9 * * mon", "America/New_York", "2026-07-01T00:00", "2026-07-06T13:00"),
        (" */15 * *  * * ", "UTC", "2026-01-01T12:00", "2026-01-01T12:15"),
        # Berlin: 02:30 does not exist on 29 March, and comes twice on 25 October.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("30 * * * *", "Europe/Berlin", "2026-10-25T00:30", "2026-10-25T01:30"),
    ],
)
def test_the_next_time_is_the_first_one_after_now(
    schedule: str, zone: str, now: str, then: str
) -> None:
    assert next_time(schedule, zone, at(now)) == at(then)


@pytest.mark.parametrize(
    ("schedule", "zone", "said"),
    [
        ("61 * * * *", "UTC", "spec.schedule: '61 * * * *' has a wrong minute; write minute, hour"),
        ("0 3 30 2 *", "UTC", "'0 3 30 2 *' never comes, as no year has such a day; write a day"),
        ("0 3 31 4,jun *", "UTC", 'or L for its last one, such as "0 3 L * *"'),
        ("0 3 */31 2 1#5", "UTC", "never comes, as no year has such a day"),
        ("0 3 32 2 *", "UTC", "has a wrong day-of-month; write minute, hour"),
        ("0 3 30 13 *", "UTC", "has a wrong month; write minute, hour"),
        ("0 0 * * * *", "UTC", "has not five fields"),
        ("@daily", "UTC", "has not five fields"),
        ("0 3 * * *", "Mars/Olympus", "spec.timeZone: there is no zone 'Mars/Olympus'"),
        ("0 3 * * *", "Europe", "such as Europe/Berlin"),
        ("0 3 * * *", "europe/berlin", "such as Europe/Berlin"),
        ("0 3 * * *", "../../etc/passwd", "there is no zone"),
        ("0 3 * * *", "", "there is no zone"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_said(schedule: str, zone: str, said: str) -> None:
    flaw = next_time(schedule, zone, NOON)

    assert isinstance(flaw, Stall)
    assert flaw.reason == "InvalidSchedule"
    assert said in flaw.message


def test_a_time_that_has_come_stays_until_it_is_handled() -> None:
    table = reckon(NIGHTLY, Timetable(), NOON)
    later = reckon(NIGHTLY, table, NOON + 5 * DAY)

    assert (table.next_time, later.next_time) == (THREE, THREE)
    assert not table.is_due(NOON)
    assert later.is_due(NOON + 5 * DAY)
    assert reckon(NIGHTLY, Timetable(), NOON + 5 * DAY).next_time == THREE + 5 * DAY


@pytest.mark.parametrize(
    "edit", [{"schedule": "0 1 * * *"}, {"time_zone": "Asia/Tokyo"}, {"schedule": "* * * * *"}]
)
def test_an_edited_schedule_begins_with_what_is_still_to_come(edit: dict[str, Any]) -> None:
    """No run is due, though the time of the old schedule has come."""
    table, now = reckon(NIGHTLY, Timetable(), NOON), NOON + 5 * DAY
    edited = reckon(NIGHTLY.model_copy(update=edit), table, now)

    assert table.is_due(now)
    assert edited.next_time is not None
    assert not edited.is_due(now)


def test_without_a_schedule_nothing_is_due() -> None:
    assert reckon(ScanSpec(), reckon(NIGHTLY, Timetable(), NOON), NOON + 5 * DAY) == Timetable()


def test_a_wrong_zone_is_told_before_there_is_a_schedule_that_needs_it() -> None:
    """Otherwise the flaw would surprise whoever adds a schedule later."""
    flaw = reckon(ScanSpec(time_zone="Mars/Olympus"), Timetable(), NOON).flaw

    assert flaw == next_time("0 3 * * *", "Mars/Olympus", NOON)


def test_a_clock_that_was_set_back_does_not_put_off_the_next_time_for_years() -> None:
    from_the_future = reckon(NIGHTLY, Timetable(), NOON + 9000 * DAY)

    assert reckon(NIGHTLY, from_the_future, NOON).next_time == THREE


def test_a_flaw_forgets_what_was_due() -> None:
    """A schedule that is mended later begins with a time that is still to come."""
    table = reckon(NIGHTLY, Timetable(), NOON)
    flawed = reckon(NIGHTLY.model_copy(update={"schedule": "99 * * * *"}), table, NOON)

    assert flawed.next_time is None
    assert not reckon(NIGHTLY, flawed, NOON + 5 * DAY).is_due(NOON + 5 * DAY)


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
    now=st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001
)
def test_a_daily_schedule_comes_every_day(minute: int, hour: int, zone: str, now: datetime) -> None:
    """It never comes twice a day and is never left out, where clocks change too."""
    begin = now.replace(tzinfo=UTC)
    first = next_time(f"{minute} {hour} * * *", zone, begin)

    assert isinstance(first, datetime)
    assert begin < first <= begin + timedelta(hours=26)
    second = next_time(f"{minute} {hour} * * *", zone, first)
    assert isinstance(second, datetime)
    assert timedelta(hours=22) <= second - first <= timedelta(hours=26)
