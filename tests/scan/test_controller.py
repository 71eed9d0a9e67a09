"""The life of one CapabilityScan, in virtual time."""

import anyio
import pytest

from capscan.core.errors import MissingPermission, ObjectGone, ProviderUnusable
from capscan.model import Phase, ScanStatus, Trigger
from capscan.scan.controller import INTERRUPT_GRACE_S
from tests import fakes
from tests.fakes import crd, name_of
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio


# -- a run


async def test_a_scan_that_is_created_runs_to_its_end() -> None:
    cluster = Cluster({"parallelism": 5})
    async with cluster.operator():
        await anyio.sleep(10)

    assert cluster.phases() == [Phase.DISCOVERING, Phase.SCANNING, Phase.COMPLETED]
    assert cluster.summary == "20/20"
    assert cluster.condition("Complete").status == "True"
    run = cluster.status.run
    assert run is not None
    assert (run.id, run.trigger, run.owner) == ("t1", Trigger.CREATED, "operator-1")
    assert run.duration is not None
    assert run.duration.total_seconds() == pytest.approx(4)
    assert cluster.provider.asked.total() == len(cluster.store.written) == 20


async def test_while_it_works_the_status_says_what_is_going_on() -> None:
    cluster = Cluster({"parallelism": 2, "progressInterval": "3s"}, delay_s=0.8)
    async with cluster.operator():
        await anyio.sleep(6.5)

        assert cluster.summary == "14/20"
        assert cluster.status.in_flight == [name_of(14), name_of(15)]
        assert cluster.status.eta == "3s"
        assert cluster.condition("Reconciling").status == "True"


async def test_nothing_of_the_work_is_left_in_the_status_of_a_finished_run() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.status.eta is None
    assert cluster.status.in_flight is None
    assert cluster.status.estimated_completion_time is None


async def test_failures_are_told() -> None:
    cluster = Cluster(failing=(3, 4))
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED_WITH_FAILURES
    assert {item.name for item in cluster.status.failed_items or ()} == {name_of(3), name_of(4)}
    assert cluster.condition("Ready").reason == "SomeItemsFailed"


async def test_too_many_failures_end_the_run_for_good() -> None:
    cluster = Cluster({"maxFailedPercent": 5, "parallelism": 1}, failing=(0, 1))
    async with cluster.operator():
        await anyio.sleep(600)

    assert cluster.phase() is Phase.FAILED
    assert cluster.condition("Stalled").status == "True"
    assert cluster.provider.asked.total() == 2


async def test_a_selector_that_matches_nothing_is_completed() -> None:
    cluster = Cluster({"selector": {"include": ["nothing.*"]}})
    async with cluster.operator():
        await anyio.sleep(10)

    assert cluster.phase() is Phase.COMPLETED
    assert cluster.status.message is not None
    assert cluster.status.message.startswith("0 of 20 CRDs match")


@pytest.mark.parametrize("interval_s", [1, 5])
async def test_the_status_is_written_once_per_interval_and_at_changes_of_phase(
    interval_s: int,
) -> None:
    cluster = Cluster(
        {"parallelism": 3, "progressInterval": f"{interval_s}s"}, crds=150, delay_s=0.7
    )
    async with cluster.operator():
        await anyio.sleep(60)
    run = cluster.status.run

    assert run is not None
    assert run.duration is not None
    took_s = run.duration.total_seconds()
    assert took_s == pytest.approx(35)
    assert took_s / interval_s <= len(cluster.sink.versions) <= took_s / interval_s + 4


async def test_a_scan_at_rest_is_not_written() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        written = len(cluster.sink.versions)
        await anyio.sleep(3600)

    assert len(cluster.sink.versions) == written


# -- edits


async def test_an_edit_in_mid_run_keeps_what_is_done_and_still_wanted() -> None:
    cluster = Cluster({"refresh": "Always", "parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(5.5)
        cluster.edit({"refresh": "Always", "parallelism": 2, "selector": {"exclude": [name_of(0)]}})
        await anyio.sleep(60)

    assert cluster.run_id == "t1-t2"
    assert cluster.status.run is not None
    assert cluster.status.run.trigger is Trigger.SPEC_CHANGED
    assert set(cluster.provider.asked.values()) == {1}
    counts = cluster.status.progress
    assert counts is not None
    assert (counts.total, counts.unchanged, counts.completed) == (19, 11, 8)
    # A run that was interrupted has not ended, and is not what is left of the one before.
    assert cluster.status.last_run is None
    assert cluster.status.observed_generation == 2


async def test_an_edit_is_obeyed_within_seconds_though_answers_take_minutes() -> None:
    cluster = Cluster(delay_s=100)
    async with cluster.operator():
        await anyio.sleep(10)
        cluster.edit({"selector": {"include": [name_of(0)]}})
        await anyio.sleep(INTERRUPT_GRACE_S + 0.1)

        assert cluster.run_id == "t1-t2"
        assert cluster.provider.in_flight == 1


async def test_parallelism_takes_effect_without_a_new_run() -> None:
    cluster = Cluster({"parallelism": 2}, delay_s=10)
    async with cluster.operator():
        await anyio.sleep(5)
        cluster.edit({"parallelism": 7})
        await anyio.wait_all_tasks_blocked()

        assert cluster.provider.in_flight == 7
        await anyio.sleep(60)
    assert cluster.run_id == "t1"
    assert cluster.status.observed_generation == 2
    assert set(cluster.provider.asked.values()) == {1}


async def test_an_edit_that_asks_nothing_new_is_acknowledged_at_rest() -> None:
    """So that a wait for observedGeneration ends; nothing else of the status moves."""
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        before = cluster.status
        cluster.edit({"parallelism": 3})
        await anyio.sleep(5)

    assert cluster.status.observed_generation == 2
    assert cluster.condition("Ready").observed_generation == 2
    assert cluster.status.run == before.run
    assert cluster.status.progress == before.progress


async def test_an_edit_that_is_taken_back_at_once_changes_nothing() -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(5.5)
        cluster.edit({"parallelism": 2, "selector": {"include": ["other*"]}})
        cluster.edit({"parallelism": 2})
        await anyio.sleep(60)

    assert cluster.run_id == "t1"
    assert cluster.summary == "20/20"
    assert set(cluster.provider.asked.values()) == {1}


async def test_a_stale_event_of_the_watch_is_ignored() -> None:
    """A watch that was started anew replays an object older than what was written since."""
    cluster = Cluster()
    async with cluster.operator() as controller:
        await anyio.sleep(60)
        controller.observe(fakes.scan({"selector": {"include": ["other*"]}}, version=1))
        await anyio.sleep(60)

    assert cluster.run_id == "t1"


async def test_the_end_of_a_run_is_no_answer_to_an_edit_that_overtook_it() -> None:
    """The last items end while the edit waits for them: Complete is not of its generation."""
    cluster = Cluster({"parallelism": 20}, delay_s=1.0)
    async with cluster.operator():
        await anyio.sleep(0.5)
        cluster.edit({"parallelism": 20, "refresh": "Always"})
        await anyio.sleep(60)

    complete = [
        (status.observed_generation, status.run.id)
        for _, status in cluster.sink.versions
        if status.run and status.phase is Phase.COMPLETED
    ]
    assert complete == [(1, "t1"), (2, "t2")]


async def test_an_operator_that_ends_before_it_began_leaves_the_status_as_it_was() -> None:
    """A generation that is observed, without a condition, would pass for done."""
    cluster = Cluster()
    async with cluster.operator() as controller:
        controller.close(grace_s=1)
        await anyio.sleep(5)

    assert cluster.status.observed_generation == -1


async def test_an_edit_is_told_of_whatever_the_interval() -> None:
    """observedGeneration is no progress."""
    cluster = Cluster({"parallelism": 1, "progressInterval": "10m"}, delay_s=10)
    async with cluster.operator():
        await anyio.sleep(5)
        cluster.edit({"parallelism": 2, "progressInterval": "10m"})
        await anyio.sleep(2)

        assert cluster.status.observed_generation == 2


# -- rescans


async def test_a_rescan_asks_about_what_changed_and_what_failed() -> None:
    cluster = Cluster(failing=(3,))
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.provider.asked.clear()
        cluster.provider.replies.clear()
        schema = {"type": "object", "description": "New."}
        cluster.crds.add(crd(name_of(7), generation=2, schema=schema))
        cluster.edit({"rescan": "again"})
        await anyio.sleep(60)

    assert cluster.provider.asked == {name_of(3): 1, name_of(7): 1}
    assert cluster.phase() is Phase.COMPLETED
    assert cluster.status.failed_items is None
    assert cluster.run_id == "t2"
    assert cluster.status.last_handled_rescan == "again"


async def test_a_rescan_keeps_ready_of_the_last_run_until_it_is_done() -> None:
    cluster = Cluster(delay_s=0.1)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.provider.delay_s = 5
        cluster.edit({"rescan": "again", "refresh": "Always"})
        await anyio.sleep(4)

        ready, complete = cluster.condition("Ready"), cluster.condition("Complete")
        assert (ready.status, ready.observed_generation) == ("True", 1)
        assert (complete.status, complete.observed_generation) == ("False", 2)


async def test_the_annotation_asks_for_a_run_once() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.annotate("10:00")
        await anyio.sleep(60)
        cluster.annotate("10:00")
        await anyio.sleep(60)

    assert cluster.run_id == "t2"
    assert cluster.status.last_handled_requested_at == "10:00"


# -- suspending


async def test_a_suspended_run_goes_on_as_the_same_run() -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(4.5)
        cluster.edit({"parallelism": 2, "suspend": True})
        await anyio.sleep(60)
        assert cluster.phase() is Phase.SUSPENDED
        assert cluster.summary == "10/20"
        assert cluster.provider.in_flight == 0
        assert cluster.condition("Reconciling").status == "False"
        cluster.edit({"parallelism": 2})
        await anyio.sleep(60)

    run = cluster.status.run
    assert run is not None
    assert (run.id, run.resumed) == ("t1", 1)
    assert cluster.phase() is Phase.COMPLETED
    assert set(cluster.provider.asked.values()) == {1}


async def test_a_scan_that_is_created_suspended_waits() -> None:
    cluster = Cluster({"suspend": True})
    async with cluster.operator():
        await anyio.sleep(60)
        assert cluster.phases() == [Phase.SUSPENDED]
        assert not cluster.provider.asked
        cluster.edit({})
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert cluster.run_id == "t1"


async def test_suspending_a_finished_scan_leaves_it_finished() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit({"suspend": True})
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert cluster.status.observed_generation == 2


async def test_a_suspend_that_comes_with_a_rescan_holds_it_back() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit({"suspend": True, "rescan": "again"})
        await anyio.sleep(60)
        assert cluster.phase() is Phase.SUSPENDED
        assert cluster.run_id == "t1"
        cluster.edit({"rescan": "again"})
        await anyio.sleep(60)

    assert cluster.run_id == "t2"
    assert cluster.status.last_run is not None
    assert cluster.status.last_run.phase is Phase.COMPLETED


@pytest.mark.parametrize(
    ("failing", "phase"),
    [((), Phase.COMPLETED), ((3,), Phase.COMPLETED_WITH_FAILURES), ((3, 4), Phase.FAILED)],
)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_rescan_that_is_held_back_and_then_reverted_leaves_the_last_run_as_it_was(
    failing: tuple[int, ...], phase: Phase, restarted: bool
) -> None:
    """As `git revert` does it."""
    spec = {"maxFailedPercent": 5}
    cluster = Cluster(spec, failing=failing)
    async with cluster.operator():
        await anyio.sleep(60)
        before = cluster.status
        cluster.edit(spec | {"suspend": True, "rescan": "2"})
        await anyio.sleep(5)
        assert cluster.phase() is Phase.SUSPENDED
        if not restarted:
            cluster.edit(spec)
            await anyio.sleep(5)
    if restarted:
        async with cluster.operator():
            cluster.edit(spec)
            await anyio.sleep(5)

    assert before.phase is phase
    assert cluster.phase() is phase
    assert cluster.status.message == before.message
    assert cluster.status.progress == before.progress
    assert cluster.condition("Complete").status == ("False" if phase is Phase.FAILED else "True")
    assert cluster.condition("Complete").observed_generation == 3
    assert cluster.run_id == "t1"


# -- restarts


@pytest.mark.parametrize("after_s", [0, 0.5, 1.5, 4.5, 8.5, 9.99])
async def test_after_a_kill_the_run_goes_on_and_no_count_falls(after_s: float) -> None:
    cluster = Cluster({"parallelism": 2, "progressInterval": "1s"}, failing=(1, 5))
    async with cluster.operator():
        await anyio.sleep(after_s)
    settled = len(cluster.store.written)
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.run_id == ("t1" if after_s else "t2")
    assert cluster.phase() is Phase.COMPLETED_WITH_FAILURES
    assert cluster.summary == "20/20"
    in_flight_when_killed = 2
    assert cluster.provider.asked.total() <= 20 + in_flight_when_killed
    assert len(cluster.store.written) == 20 >= settled
    shown = [status.progress for _, status in cluster.sink.versions if status.progress]
    for counts in ("total", "completed", "failed"):
        values = [getattr(one, counts) for one in shown]
        assert values == sorted(values)


async def test_a_resumed_run_says_so() -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(3.5)
    async with cluster.operator():
        await anyio.sleep(60)

    run = cluster.status.run
    assert run is not None
    assert (run.resumed, run.owner) == (1, "operator-2")


async def test_a_finished_scan_is_left_alone_by_the_next_operator() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
    written = len(cluster.sink.versions)
    async with cluster.operator():
        await anyio.sleep(60)

    assert len(cluster.sink.versions) == written
    assert cluster.provider.asked.total() == 20


async def test_an_operator_that_ends_lets_items_finish_and_writes_the_last_status() -> None:
    cluster = Cluster({"parallelism": 2, "progressInterval": "60s"})
    async with cluster.operator() as controller:
        await anyio.sleep(4.5)
        controller.close(grace_s=8)
        await anyio.sleep(1)
        at = anyio.current_time()
        await anyio.sleep(60)

        assert cluster.summary == "10/20"
        assert cluster.phase() is Phase.SCANNING
        assert cluster.status.progress is not None
        assert cluster.status.progress.in_flight == 0
        assert cluster.sink.versions[-1][0] < at
    async with cluster.operator():
        await anyio.sleep(60)
    assert set(cluster.provider.asked.values()) == {1}


async def test_an_operator_that_ends_gives_up_items_after_the_grace() -> None:
    cluster = Cluster(delay_s=1000)
    async with cluster.operator() as controller:
        await anyio.sleep(5)
        controller.close(grace_s=8)
        await anyio.sleep(8.1)

        assert cluster.provider.in_flight == 0
        assert cluster.sink.versions[-1][0] == pytest.approx(13)


async def test_an_operator_that_ends_is_not_kept_by_a_scan_at_rest() -> None:
    cluster = Cluster()
    async with anyio.create_task_group() as group:
        async with cluster.operator() as controller:
            await anyio.sleep(60)
            controller.close(grace_s=8)
        group.cancel_scope.cancel()

    assert cluster.phase() is Phase.COMPLETED


# -- trouble


async def test_where_nobody_is_found_nobody_is_said_to_answer() -> None:
    """Least of all who answered in the run before."""
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        assert "provider" in cluster.status.to_wire()
        cluster.provider.fault = ProviderUnusable("ProviderNotFound", "There is none.")
        cluster.edit({"rescan": "again"})
        await anyio.sleep(5)

    assert cluster.condition("Stalled").reason == "ProviderNotFound"
    assert cluster.status.to_wire().keys().isdisjoint({"provider", "model"})


async def test_a_missing_permission_stalls_the_scan_and_heals() -> None:
    cluster = Cluster()
    cluster.crds.denied = MissingPermission("add a rule")
    async with cluster.operator():
        await anyio.sleep(60)
        assert cluster.condition("Stalled").reason == "MissingPermission"
        assert cluster.condition("Reconciling").status == "False"
        assert cluster.phase() is Phase.PENDING
        assert cluster.status.message == "add a rule"
        stalled = [s for _, s in cluster.sink.versions if s.message == "add a rule"]
        assert len(stalled) == 1
        cluster.crds.denied = None
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert cluster.condition("Stalled").status == "False"
    assert cluster.run_id == "t1"


async def test_nobody_is_asked_what_could_not_be_stored() -> None:
    """Answers cost money: that they may be kept is found out first."""
    cluster = Cluster()
    cluster.store.denied = MissingPermission("add a rule")
    async with cluster.operator():
        await anyio.sleep(600)
        assert not cluster.provider.asked
        stalled = [s for _, s in cluster.sink.versions if s.message == "add a rule"]
        assert len(stalled) == 1
        cluster.store.denied = None
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED


async def test_a_stalled_scan_is_woken_by_an_edit() -> None:
    cluster = Cluster()
    cluster.crds.denied = MissingPermission("add a rule")
    async with cluster.operator():
        await anyio.sleep(100)
        cluster.crds.denied = None
        cluster.edit({"parallelism": 3})
        await anyio.wait_all_tasks_blocked()

        assert cluster.phase() is Phase.SCANNING


async def test_a_new_run_begins_without_the_stall_of_the_old_one() -> None:
    """The edit may have been the cure: it is listed anew before anything is said to be wrong."""
    cluster = Cluster()
    cluster.crds.denied = MissingPermission("add a rule")
    async with cluster.operator():
        await anyio.sleep(100)
        cluster.crds.delay_s = 5
        cluster.edit({"selector": {"include": [name_of(0)]}})
        await anyio.sleep(2)

        assert cluster.phase() is Phase.DISCOVERING
        assert cluster.condition("Stalled").status == "False"


async def test_a_stalled_scan_can_be_suspended() -> None:
    cluster = Cluster()
    cluster.crds.denied = MissingPermission("add a rule")
    async with cluster.operator():
        await anyio.sleep(5)
        cluster.edit({"suspend": True})
        await anyio.sleep(1)

    assert cluster.phase() is Phase.SUSPENDED
    assert cluster.condition("Stalled").status == "False"


async def test_a_permission_that_is_lost_in_mid_run_loses_nothing() -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(4.5)
        cluster.store.denied = MissingPermission("you may not")
        await anyio.sleep(5)
        assert cluster.condition("Stalled").status == "True"
        assert cluster.summary == "8/20"
        cluster.store.denied = None
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert cluster.summary == "20/20"
    assert cluster.run_id == "t1"


async def test_a_bug_stalls_one_scan_and_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster()

    def bug() -> None:
        raise ZeroDivisionError("oops")

    cluster.crds.on_list = bug
    async with cluster.operator():
        await anyio.sleep(5)
        assert cluster.condition("Stalled").reason == "InternalError"
        assert cluster.status.message == "ZeroDivisionError: oops; see the operator's log."
        cluster.crds.on_list = lambda: None
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert any(record.exc_info for record in caplog.records)


async def test_a_status_that_may_not_be_written_stops_no_work() -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(2.5)
        cluster.sink.denied = MissingPermission("you may not")
        await anyio.sleep(5)
        settled = len(cluster.store.written)
        cluster.sink.denied = None
        await anyio.sleep(60)

    assert settled == 14
    assert cluster.summary == "20/20"


async def test_a_status_that_was_removed_by_hand_is_written_again() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        before = cluster.status
        cluster.lose_status()
        assert cluster.status == ScanStatus()
        await anyio.sleep(5)

    assert cluster.status == before
    assert cluster.provider.asked.total() == 20


async def test_a_status_that_was_removed_in_mid_run_is_written_again() -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(4.5)
        cluster.lose_status()
        await anyio.sleep(3)
        assert cluster.run_id == "t1"
        await anyio.sleep(60)

    assert cluster.run_id == "t1"
    assert cluster.summary == "20/20"


@pytest.mark.parametrize("when_s", [4.5, 60], ids=["in mid-run", "at rest"])
async def test_a_condition_of_another_controller_stays_and_a_forged_one_of_ours_does_not(
    when_s: float,
) -> None:
    cluster = Cluster({"parallelism": 2})
    async with cluster.operator():
        await anyio.sleep(when_s)
        ready = cluster.condition("Ready")
        forged = ready.model_copy(update={"status": "True", "observed_generation": 99})
        theirs = ready.model_copy(update={"type": "PolicyChecked"})
        wire = [forged.to_wire(), theirs.to_wire()]
        cluster.overwrite(cluster.status.to_wire() | {"conditions": wire})
        await anyio.sleep(3)

        again = cluster.condition("Ready")
        assert (again.status, again.observed_generation) == (ready.status, 1)
        assert cluster.condition("PolicyChecked") == theirs
        await anyio.sleep(60)

    assert cluster.condition("PolicyChecked") == theirs
    assert cluster.condition("Complete").status == "True"
    assert len(cluster.status.conditions or ()) == 7


async def test_the_work_of_a_deleted_scan_ends(caplog: pytest.LogCaptureFixture) -> None:
    """Where the deletion shows only in a refused write; what was analysed stays."""
    caplog.set_level("INFO")
    cluster = Cluster(delay_s=5)
    async with anyio.create_task_group() as group:
        async with cluster.operator():
            await anyio.sleep(7)
            cluster.sink.denied = ObjectGone("deleted")
            await anyio.sleep(5)
            asked = cluster.provider.asked.total()
            await anyio.sleep(60)
        group.cancel_scope.cancel()

    assert cluster.provider.in_flight == 0
    assert cluster.provider.asked.total() == asked
    assert len(cluster.store.by_name) == 10
    assert "deleted" in caplog.text


# -- another operator


async def test_another_operator_that_is_at_work_on_it_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In the log of both, once, and while they work: each answer is paid for twice."""
    cluster = Cluster(crds=40)
    async with cluster.operator(), cluster.operator():
        await anyio.sleep(5)

    warned = [line for line in caplog.messages if "another operator, operator-" in line]
    assert sorted(line.split(", ")[1] for line in warned) == ["operator-1", "operator-2"]


async def test_an_operator_that_was_there_before_is_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = Cluster()
    for _ in range(3):
        async with cluster.operator():
            await anyio.sleep(1)
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert "another operator" not in caplog.text
