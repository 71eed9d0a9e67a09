"""Keeping a watch alive."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from capscan import watching
from capscan.serve.probes import Health
from capscan.watching import (
    WATCH_RESTART_S,
    Watched,
    Watcher,
    Watching,
    restart_pause_s,
)
from tests.kube.apiserver import Seen, ok, refusal, serving


def test_a_watch_that_was_healthy_is_started_again_at_once() -> None:
    assert restart_pause_s(0) == min(WATCH_RESTART_S)


def test_one_that_fails_again_and_again_is_given_more_and_more_time() -> None:
    pauses = [restart_pause_s(failures) for failures in range(9)]

    assert pauses == sorted(pauses)
    assert pauses[-1] == max(WATCH_RESTART_S)


class Cluster:
    """One kind with its objects, and the watch of it, which never breaks by itself."""

    def __init__(self) -> None:
        self.may_watch = True
        self.objects: list[dict[str, Any]] = []
        self.seen: set[str] = set()
        self.removed: list[str] = []
        self.retained: list[tuple[list[str], str]] = []
        self.watcher: Watcher | None = None
        self.health = Health(clock=lambda: 0.0)

    async def serve(self, request: Seen) -> web.Response:
        if "watch" not in request.query:
            return ok({"metadata": {"resourceVersion": "9"}, "items": self.objects})
        return ok() if self.may_watch else refusal(403, "you may not")

    def parse(self, body: dict[str, Any]) -> str:
        uid: str = body["metadata"]["uid"]
        if uid == "odd":
            raise KeyError("spec")
        return uid

    async def watch(self, watcher: Watcher) -> None:
        self.watcher = watcher
        try:
            await anyio.sleep_forever()
        finally:
            self.watcher = None

    @asynccontextmanager
    async def watched(self, folder: Path) -> AsyncIterator[Watching]:
        kind = Watched(
            "capabilityscans",
            parse=self.parse,
            observe=self.seen.add,
            remove=self.removed.append,
            retain=lambda uids, version: self.retained.append((list(uids), version)),
        )
        async with serving(folder) as (server, client), anyio.create_task_group() as group:
            server.handler = self.serve
            found = Watching(client, self.watch, [kind], self.health, lambda: None)
            group.start_soon(found.run)
            yield found
            group.cancel_scope.cancel()


async def until(holds: Callable[[], object]) -> None:
    with anyio.fail_after(10):
        while not holds():  # noqa: ASYNC110
            await anyio.sleep(0.01)


@pytest.mark.anyio
async def test_what_may_not_be_watched_is_listed_until_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the right is taken away from a watch that fails since."""
    monkeypatch.setattr(watching, "KINDS_POLL_S", 0.01)
    monkeypatch.setattr(watching, "WATCH_RESTART_S", (0.01,))
    cluster = Cluster()
    async with cluster.watched(tmp_path) as found:
        await until(lambda: cluster.watcher is not None and cluster.health.ready)
        assert found.hindrance is None
        assert cluster.watcher is not None
        cluster.watcher.refused()
        await anyio.sleep(0.1)
        assert cluster.watcher is not None  # it failed for another reason

        cluster.may_watch = False
        cluster.watcher.refused()
        await until(lambda: found.hindrance)
        assert found.hindrance
        assert found.hindrance.reason == "MissingPermission"
        assert "may not watch capabilityscans" in found.hindrance.message
        assert "resources [capabilityscans], verbs [watch]" in found.hindrance.message
        assert cluster.watcher is None
        assert (cluster.health.ready, cluster.health.reason) == (False, found.hindrance.message)

        cluster.objects.append({"metadata": {"uid": "a"}})
        await until(lambda: cluster.seen)
        cluster.may_watch = True
        await until(lambda: cluster.watcher is not None and cluster.health.ready)
        assert found.hindrance is None


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_what_is_being_deleted_counts_as_gone(tmp_path: Path) -> None:
    """Finalizers of others may hold it for long."""
    cluster = Cluster()
    async with cluster.watched(tmp_path):
        await until(lambda: cluster.watcher)
        assert cluster.watcher
        cluster.watcher.seen("capabilityscans", {"metadata": {"uid": "a"}})
        await until(lambda: cluster.seen == {"a"})
        dying = {"uid": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}
        cluster.watcher.seen("capabilityscans", {"metadata": dying})
        await until(lambda: cluster.removed == ["a"])


@pytest.mark.anyio
async def test_news_that_cannot_be_taken_in_keeps_no_others_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does it end the operator."""
    cluster = Cluster()
    async with cluster.watched(tmp_path):
        await until(lambda: cluster.watcher)
        assert cluster.watcher
        cluster.watcher.seen("capabilityscans", {"metadata": {"uid": "odd"}})
        cluster.watcher.seen("capabilityscans", {"metadata": {"uid": "b"}})
        await until(lambda: cluster.seen == {"b"})

    assert "the news of one of capabilityscans could not be taken in" in caplog.text


@pytest.mark.anyio
async def test_after_a_listing_by_the_watch_deletions_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells of none that it missed; what came after our listing is left alone."""
    monkeypatch.setattr(watching, "SETTLE_S", 0.01)
    cluster = Cluster()
    async with cluster.watched(tmp_path):
        await until(lambda: cluster.watcher)
        assert cluster.watcher
        assert cluster.retained == [([], "")]
        cluster.objects.append({"metadata": {"uid": "a"}})
        cluster.watcher.listed()
        await until(lambda: cluster.retained[1:] == [(["a"], "9")])
