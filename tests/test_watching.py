"""Keeping a watch alive, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import pytest

from capscan.core.kube_errors import Forbidden
from capscan.kube.client import KubeClient
from capscan.kube.config import ClusterSettings
from capscan.kube.watcher import Watcher
from capscan.serve.probes import Health
from capscan.watching import WATCH_RESTART_S, Watched, Watching, restart_pause_s
from tests import virtual

Json = dict[str, Any]
T = TypeVar("T")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Callable[[], asyncio.AbstractEventLoop]]]:
    return virtual.BACKEND


def test_a_watch_that_was_healthy_is_started_again_at_once() -> None:
    assert restart_pause_s(0) == min(WATCH_RESTART_S)


def test_a_watch_that_fails_again_and_again_pauses_longer_each_time() -> None:
    pauses = [restart_pause_s(failures) for failures in range(9)]

    assert pauses == sorted(pauses)
    assert pauses[-1] == max(WATCH_RESTART_S)


class Client(KubeClient):
    """A cluster with objects of one kind, which may be listed, and may be watched or not."""

    def __init__(self) -> None:
        super().__init__(ClusterSettings(None, None))
        self.may_watch = True
        self.objects: list[Json] = []

    async def list_objects(self, path: str, take: Callable[[Json], T]) -> tuple[list[T], str]:  # noqa: ARG002
        return [take(item) for item in self.objects], "9"

    async def list_metadata_at(
        self,
        path: str,  # noqa: ARG002
        take: Callable[[Json], T],
    ) -> tuple[list[T], str]:
        return [take(item["metadata"]) for item in self.objects], "9"

    async def check_watch(self, path: str) -> None:  # noqa: ARG002
        if not self.may_watch:
            raise Forbidden("you may not")


class Objects:
    """Keeps what is told of the objects."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.removed: list[str] = []
        self.retained: list[tuple[list[str], str]] = []

    def observe(self, seen: str) -> None:
        self.seen.add(seen)

    def remove(self, uid: str) -> None:
        self.removed.append(uid)

    def retain(self, uids: Iterable[str], version: str) -> None:
        self.retained.append((list(uids), version))


class Cluster:
    """One kind with its objects, and the watch of it, which never breaks by itself."""

    def __init__(self) -> None:
        self.client = Client()
        self.told = Objects()
        self.connects = True
        """Whether the watch reaches the API server."""
        self.watcher: Watcher | None = None
        self.health = Health(clock=lambda: 0.0)

    def parse(self, body: Json) -> str:
        uid: str = body["metadata"]["uid"]
        if uid == "odd":
            raise KeyError("spec")
        return uid

    async def watch(self, watcher: Watcher) -> None:
        self.watcher = watcher
        try:
            if self.connects:
                watcher.established("capabilityscans")
            await anyio.sleep_forever()
        finally:
            self.watcher = None

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[Watching]:
        kind = Watched("capabilityscans", self.parse, self.told)
        async with anyio.create_task_group() as group:
            found = Watching(self.client, self.watch, [kind], self.health, lambda: None)
            group.start_soon(found.run)
            yield found
            group.cancel_scope.cancel()


async def until(holds: Callable[[], object]) -> None:
    with anyio.fail_after(60):
        while not holds():  # noqa: ASYNC110
            await anyio.sleep(0.01)


@pytest.mark.anyio
async def test_objects_that_may_not_be_watched_are_listed_until_they_may() -> None:
    """Also where the right is taken away from a watch that fails since."""
    cluster = Cluster()
    async with cluster.watched() as found:
        await until(lambda: cluster.watcher is not None and cluster.health.ready)
        assert found.hindrance is None
        assert cluster.watcher is not None
        cluster.watcher.refused()
        await anyio.sleep(60)
        assert cluster.watcher is not None  # it failed for another reason

        cluster.client.may_watch = False
        cluster.watcher.refused()
        await until(lambda: found.hindrance)
        assert found.hindrance
        assert found.hindrance.reason == "MissingPermission"
        assert "may not watch capabilityscans" in found.hindrance.message
        assert "resources [capabilityscans], verbs [watch]" in found.hindrance.message
        assert cluster.watcher is None
        assert (cluster.health.ready, cluster.health.reason) == (False, found.hindrance.message)

        cluster.client.objects.append({"metadata": {"uid": "a"}})
        await until(lambda: cluster.told.seen)
        cluster.client.may_watch = True
        await until(lambda: cluster.watcher is not None and cluster.health.ready)
        assert found.hindrance is None


@pytest.mark.anyio
async def test_an_object_that_is_being_deleted_counts_as_gone() -> None:
    """Finalizers of others may hold it for long."""
    cluster = Cluster()
    async with cluster.watched():
        await until(lambda: cluster.watcher)
        assert cluster.watcher
        cluster.watcher.seen("capabilityscans", {"metadata": {"uid": "a"}})
        await until(lambda: cluster.told.seen == {"a"})
        dying = {"uid": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}
        cluster.watcher.seen("capabilityscans", {"metadata": dying})
        await until(lambda: cluster.told.removed == ["a"])


@pytest.mark.anyio
async def test_an_object_that_cannot_be_read_keeps_no_others_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nor does it end the operator."""
    cluster = Cluster()
    async with cluster.watched():
        await until(lambda: cluster.watcher)
        assert cluster.watcher
        cluster.watcher.seen("capabilityscans", {"metadata": {"uid": "odd"}})
        cluster.watcher.seen("capabilityscans", {"metadata": {"uid": "b"}})
        await until(lambda: cluster.told.seen == {"b"})

    assert "cannot read one object of capabilityscans; it is skipped" in caplog.text


@pytest.mark.anyio
async def test_after_a_listing_by_the_watch_deletions_are_looked_for() -> None:
    """The watch tells of no deletion that it missed; what came after our listing is left alone."""
    cluster = Cluster()
    async with cluster.watched():
        await until(lambda: cluster.watcher)
        assert cluster.watcher
        assert cluster.told.retained == [([], "")]
        cluster.client.objects.append({"metadata": {"uid": "a"}})
        cluster.watcher.listed()
        await until(lambda: cluster.told.retained[1:] == [(["a"], "9")])


@pytest.mark.anyio
async def test_it_is_not_ready_before_the_watch_has_been_established() -> None:
    """A listing that works does not show that the watch does: that is another connection."""
    cluster = Cluster()
    cluster.connects = False
    async with cluster.watched():
        await until(lambda: cluster.watcher)
        await anyio.sleep(600)
        assert not cluster.health.ready
        assert cluster.health.reason == "the watch of capscan's objects is being started"

        assert cluster.watcher
        cluster.watcher.established("capabilityscans")
        await until(lambda: cluster.health.ready)
