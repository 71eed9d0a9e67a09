"""When a run may ask a provider that has a least time between two runs of a scan."""

from datetime import timedelta

from capscan.core.money.paid_runs import PaidRuns
from capscan.model.spent import RECENT_RUNS_MAX
from tests.virtual import EPOCH

HOUR = timedelta(hours=1)


def test_a_run_that_has_begun_goes_on_and_the_next_one_of_its_scan_waits() -> None:
    runs = PaidRuns().begun("a", "r1", EPOCH)
    later = EPOCH + HOUR / 2

    assert runs.due("a", "r1", HOUR, later) == later
    assert runs.due("a", "r2", HOUR, later) == EPOCH + HOUR
    assert runs.due("b", "r2", HOUR, later) == later
    assert runs.due("a", "r2", None, later) == later
    assert runs.due("a", "r2", HOUR, EPOCH + 2 * HOUR) == EPOCH + 2 * HOUR


def test_one_run_of_each_scan_is_remembered_and_no_more_than_so_many() -> None:
    runs = PaidRuns()
    for n in range(3 * RECENT_RUNS_MAX):
        runs = runs.begun(f"scan{n % (RECENT_RUNS_MAX + 9)}", f"r{n}", EPOCH)

    names = [one.scan for one in runs.runs]
    assert len(names) == len(set(names)) == RECENT_RUNS_MAX


def test_new_names_gain_nothing_once_as_many_as_are_remembered_have_begun() -> None:
    runs = PaidRuns()
    for n in range(RECENT_RUNS_MAX):
        runs = runs.begun(f"scan{n}", "r", EPOCH + timedelta(seconds=n))
    now = EPOCH + HOUR / 2

    assert runs.due("new", "r", HOUR, now) == EPOCH + HOUR
    assert "64 other scans have begun one within that time" in runs.waits(
        "claude", "new", HOUR, EPOCH + HOUR
    )


def test_a_clock_that_was_set_back_makes_nobody_wait_for_longer_than_the_interval() -> None:
    runs = PaidRuns().begun("a", "r1", EPOCH + 1000 * HOUR)

    assert runs.due("a", "r2", HOUR, EPOCH) == EPOCH + HOUR
