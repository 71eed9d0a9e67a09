"""One controller for each scan, found by UID."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from capscan.model import CapabilityScan, Phase
from capscan.scan.controller import ScanController
from capscan.scan.controllers import Controllers
from capscan.scan.ports import Identity
from tests import fakes
from tests.fake_cluster import FakeCrds, FakeStatus, FakeStore, ports
from tests.fakes import FakeProvider

pytestmark = pytest.mark.anyio


class Operator:
    """The controllers over one cluster of ten CRDs, each of which takes a second."""

    def __init__(self) -> None:
        self.provider = FakeProvider(delay_s=1.0)
        self.store = FakeStore()
        self.crds = FakeCrds.of(10)
        self.sinks: dict[str, FakeStatus] = {}
        self.created = 0
        self.failing = 0
        """So many controllers end by a bug."""

    def create(self, scan: CapabilityScan) -> ScanController:
        self.created += 1
        sink = self.sinks[scan.metadata.uid] = FakeStatus(scan)
        if self.created <= self.failing:
            sink.denied = RuntimeError("a bug")
        these = ports(self.crds, self.store, self.provider)
        return ScanController(scan, sink, these, Identity("me", lambda: f"t{self.created}"))

    def phase(self, uid: str) -> Phase | None:
        return self.sinks[uid].status.phase

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Controllers]:
        async with anyio.create_task_group() as group:
            yield Controllers(group, self.create)
            group.cancel_scope.cancel()


def scan(uid: str, name: str = "all", version: int = 1, **spec: object) -> CapabilityScan:
    return fakes.scan({"parallelism": 1, **spec}, name=name, uid=uid, version=version)


async def test_each_scan_has_a_controller_of_its_own() -> None:
    operator = Operator()
    async with operator.at_work() as controllers:
        controllers.observe(scan("u1", "one"))
        controllers.observe(scan("u2", "two"))
        controllers.observe(scan("u1", "one"))
        await anyio.sleep(60)

    assert operator.created == 2
    assert operator.phase("u1") is operator.phase("u2") is Phase.COMPLETED


async def test_a_new_version_reaches_the_controller_that_is_there() -> None:
    operator = Operator()
    async with operator.at_work() as controllers:
        controllers.observe(scan("u1"))
        await anyio.sleep(2.5)
        controllers.observe(scan("u1", version=100, suspend=True))
        await anyio.sleep(10)

    assert operator.created == 1
    assert operator.phase("u1") is Phase.SUSPENDED


async def test_a_deleted_scan_stops_at_once_and_its_capabilities_stay() -> None:
    operator = Operator()
    async with operator.at_work() as controllers:
        controllers.observe(scan("u1"))
        await anyio.sleep(3.5)
        written = len(operator.sinks["u1"].versions)
        controllers.remove("u1")
        await anyio.wait_all_tasks_blocked()

        assert operator.provider.in_flight == 0
        await anyio.sleep(60)

    assert len(operator.store.by_name) == 3
    assert len(operator.sinks["u1"].versions) == written


async def test_a_late_word_of_a_deleted_scan_does_not_end_its_namesake() -> None:
    """Events of two objects may come in another order than they happened in."""
    operator = Operator()
    async with operator.at_work() as controllers:
        controllers.observe(scan("old", version=5))
        await anyio.sleep(2.5)
        controllers.observe(scan("new", version=9))
        controllers.observe(scan("old", version=8))
        await anyio.sleep(1)
        controllers.observe(scan("old", version=8))
        controllers.remove("old")
        await anyio.sleep(60)

    assert operator.created == 2
    assert operator.phase("new") is Phase.COMPLETED
    assert operator.phase("old") is Phase.SCANNING


async def test_a_deletion_that_was_missed_shows_in_the_next_listing() -> None:
    operator = Operator()
    async with operator.at_work() as controllers:
        controllers.observe(scan("u1", "one"))
        controllers.observe(scan("u2", "two"))
        await anyio.sleep(1.5)
        controllers.retain(["u2", "u3"])
        await anyio.sleep(60)

    assert operator.phase("u1") is Phase.SCANNING
    assert operator.phase("u2") is Phase.COMPLETED


async def test_a_scan_that_is_newer_than_a_listing_is_not_removed_by_it() -> None:
    operator = Operator()
    async with operator.at_work() as controllers:
        controllers.observe(scan("u1", "one", version=8))
        controllers.observe(scan("u2", "two", version=10))
        await anyio.sleep(1.5)
        controllers.retain([], "9")
        await anyio.sleep(60)

    assert operator.phase("u1") is Phase.SCANNING
    assert operator.phase("u2") is Phase.COMPLETED


async def test_a_controller_that_a_bug_ended_goes_on_where_it_was(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By the newest version that was seen, after a pause that grows."""
    operator = Operator()
    operator.failing = 2
    async with operator.at_work() as controllers:
        controllers.observe(scan("u1"))
        await anyio.sleep(0.5)
        controllers.observe(scan("u1", version=2, parallelism=10))
        await anyio.sleep(5)
        assert operator.phase("u1") is None
        await anyio.sleep(5)

    assert operator.created == 3
    assert operator.phase("u1") is Phase.COMPLETED
    assert caplog.text.count("what looks after all ended by a bug") == 2


async def test_a_scan_that_was_recreated_under_its_name_replaces_the_old_one() -> None:
    operator = Operator()
    async with operator.at_work() as controllers:
        controllers.observe(scan("u1"))
        await anyio.sleep(1.5)
        controllers.observe(scan("u2"))
        await anyio.wait_all_tasks_blocked()
        assert operator.provider.in_flight == 1
        await anyio.sleep(60)

    assert operator.phase("u1") is Phase.SCANNING
    assert operator.phase("u2") is Phase.COMPLETED


async def test_removing_an_unknown_scan_does_nothing() -> None:
    operator = Operator()
    async with operator.at_work() as controllers:
        controllers.remove("u1")
        controllers.retain([])

    assert operator.created == 0


async def test_a_scan_that_was_removed_may_come_back() -> None:
    """A listing from an API server that lagged behind did not have it."""
    operator = Operator()
    async with operator.at_work() as controllers:
        controllers.observe(scan("u1"))
        await anyio.sleep(1.5)
        controllers.retain([])
        await anyio.sleep(1)
        controllers.observe(scan("u1"))
        await anyio.sleep(60)

    assert operator.created == 2
    assert operator.phase("u1") is Phase.COMPLETED


async def test_a_controller_that_ends_by_a_bug_is_started_afresh_by_the_next_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    operator = Operator()
    async with operator.at_work() as controllers:
        controllers.observe(scan("u1", "one"))
        controllers.observe(scan("u2", "two"))
        await anyio.sleep(1.5)
        operator.sinks["u1"].on_write = raises
        await anyio.sleep(60)
        assert "ended by a bug" in caplog.text
        assert operator.phase("u2") is Phase.COMPLETED
        controllers.observe(scan("u1", "one"))
        await anyio.sleep(60)

    assert operator.created == 3
    assert operator.phase("u1") is Phase.COMPLETED


def raises(_: CapabilityScan) -> None:
    raise ZeroDivisionError("oops")


async def test_all_controllers_end_together_within_the_grace() -> None:
    """Ten scans have eight seconds, not eighty."""
    operator = Operator()
    operator.provider.delay_s = 1000
    async with operator.at_work() as controllers:
        for n in range(10):
            controllers.observe(scan(f"u{n}", f"scan-{n}"))
        await anyio.sleep(5)
        await controllers.close(grace_s=8)

        assert anyio.current_time() == pytest.approx(13)
        assert operator.provider.in_flight == 0


async def test_close_waits_for_removed_controllers_and_leaves_nothing_running() -> None:
    operator = Operator()
    async with operator.at_work() as controllers:
        controllers.observe(scan("u1"))
        await anyio.sleep(1.5)
        controllers.remove("u1")
        await controllers.close(grace_s=8)

        assert anyio.current_time() == pytest.approx(1.5)
        assert operator.provider.in_flight == 0
