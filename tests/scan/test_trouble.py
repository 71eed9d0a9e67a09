"""What stalls a CapabilityScan, and how that heals, in virtual time."""

import anyio
import pytest

from capscan.core.errors import MissingPermission, ProviderUnusable, StatusRejected
from capscan.model import Phase
from tests.fakes import name_of
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio


async def test_a_status_names_no_provider_where_none_was_found() -> None:
    """Least of all does it name the one that answered in the run before."""
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


async def test_nothing_is_asked_while_answers_cannot_be_stored() -> None:
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


async def test_a_status_that_is_refused_keeps_no_edit_from_being_obeyed() -> None:
    """Nothing is asked before it can be written down that it is, whatever the spec says."""
    cluster = Cluster()
    async with cluster.operator() as controller:
        cluster.sink.denied = StatusRejected("too large a number")
        await anyio.sleep(200)
        cluster.edit({"suspend": True})
        await anyio.sleep(1)
        suspended = controller.state.phase
        cluster.edit({"suspend": False, "rescan": "again"})
        await anyio.sleep(1)
        begun = controller.state.handled.rescan
        asked = list(cluster.provider.asked)
        cluster.sink.denied = None
        await anyio.sleep(60)

    assert suspended is Phase.SUSPENDED
    assert begun == "again"
    assert asked == []
    assert cluster.phase() is Phase.COMPLETED
    assert cluster.status.last_handled_rescan == "again"
