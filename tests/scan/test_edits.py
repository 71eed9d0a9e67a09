"""Edits and rescans of a CapabilityScan, in virtual time."""

import anyio
import pytest

from capscan.model import Phase, Trigger
from capscan.scan.controller import INTERRUPT_GRACE_S
from tests import fakes
from tests.fakes import crd, name_of
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio


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


async def test_an_edit_is_acknowledged_whatever_the_interval() -> None:
    """observedGeneration is no progress."""
    cluster = Cluster({"parallelism": 1, "progressInterval": "10m"}, delay_s=10)
    async with cluster.operator():
        await anyio.sleep(5)
        cluster.edit({"parallelism": 2, "progressInterval": "10m"})
        await anyio.sleep(2)

        assert cluster.status.observed_generation == 2


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
