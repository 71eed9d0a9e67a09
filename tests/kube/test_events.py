"""Events: against a loopback server for what is sent, against a real one for what is taken."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel
import pytest

from capscan.core.notice import Notice
from capscan.kube.client import KubeClient
from capscan.kube.config import ClusterSettings
from capscan.kube.events import PATH, QUEUE_MAX, SERIES_S, EventRecorder
from capscan.localplane.plane import Plane
from capscan.model import ObjectMeta
from tests.kube.apiserver import ApiServer, refusal
from tests.kubectl import Kubectl

pytestmark = pytest.mark.anyio

Api = tuple[ApiServer, KubeClient]
SCAN = ObjectMeta(name="all", uid="scan-1")
STARTED = Notice("Started", "Run t1 starts.")


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@asynccontextmanager
async def recording(client: KubeClient, clock: Clock) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder(client, instance="pod/1", now=clock)
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.run)
        yield recorder
        group.cancel_scope.cancel()


async def until_seen(server: ApiServer, requests: int) -> None:
    with anyio.fail_after(10):
        while len(server.seen) < requests:  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def test_a_notice_becomes_an_event(api: Api) -> None:
    server, client = api
    async with recording(client, Clock()) as recorder:
        recorder.tell("CapabilityScan", SCAN, Notice("Failed", "x" * 2000, warning=True))
        await until_seen(server, 1)

    sent = server.seen[0]
    assert (sent.method, sent.path) == ("POST", PATH)
    assert sent.body["regarding"]["uid"] == "scan-1"
    assert (sent.body["type"], sent.body["reason"]) == ("Warning", "Failed")
    assert len(sent.body["note"]) <= 1024
    assert sent.body["eventTime"] == "2026-01-01T00:00:00.000000Z"


async def test_the_same_notice_within_minutes_is_a_series(api: Api) -> None:
    server, client = api
    clock = Clock()
    async with recording(client, clock) as recorder:
        for notice in (STARTED, STARTED, Notice("Completed", "Done."), STARTED):
            recorder.tell("CapabilityScan", SCAN, notice)
        await until_seen(server, 4)
        clock.at += timedelta(seconds=SERIES_S + 1)
        recorder.tell("CapabilityScan", SCAN, STARTED)
        await until_seen(server, 5)

    assert [one.method for one in server.seen] == ["POST", "PATCH", "POST", "PATCH", "POST"]
    assert server.seen[3].body["series"]["count"] == 3


async def test_an_event_that_expired_is_created_again(api: Api) -> None:
    server, client = api
    async with recording(client, Clock()) as recorder:
        recorder.tell("CapabilityScan", SCAN, STARTED)
        await until_seen(server, 1)
        server.script = [refusal(404)]
        recorder.tell("CapabilityScan", SCAN, STARTED)
        await until_seen(server, 3)

    assert server.seen[2].method == "POST"


async def test_a_missing_permission_for_events_is_logged_once(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    server, client = api
    server.script = [refusal(403, "may not")]
    async with recording(client, Clock()) as recorder:
        recorder.tell("CapabilityScan", SCAN, STARTED)
        recorder.tell("CapabilityScan", SCAN, STARTED)
        with anyio.fail_after(10):
            while "verbs [create, patch]" not in caplog.text:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        recorder.tell("CapabilityScan", SCAN, STARTED)
        await anyio.sleep(0.1)  # so long, a second request would have come

    assert len(server.seen) == 1
    assert caplog.text.count("verbs [create, patch]") == 1


async def test_an_event_that_is_refused_keeps_no_other_event_from_being_posted(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    server, client = api
    async with recording(client, Clock()) as recorder:
        recorder.tell("Deployment", SCAN, STARTED)
        recorder.tell("InferenceProvider", SCAN, STARTED)
        await until_seen(server, 1)

    assert server.seen[0].body["action"] == "Check"
    assert "all: no Event Started" in caplog.text


async def test_notices_that_do_not_fit_the_queue_are_dropped_at_once(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    _, client = api
    recorder = EventRecorder(client, instance="pod/1", now=Clock())
    for _ in range(QUEUE_MAX + 1):
        recorder.tell("CapabilityScan", SCAN, STARTED)
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.run)
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()

    assert caplog.text.count("too many wait") == 1


async def test_a_real_api_server_takes_the_events(plane: Plane, kubectl: Kubectl) -> None:
    """The server takes an event, and the series that it becomes."""
    client = KubeClient(ClusterSettings(kubeconfig=str(plane.info().kubeconfig)))
    await client.connect()
    clock = Clock()
    clock.at = datetime.now(UTC)
    fields = "jsonpath={.items[*].series.count} {.items[*].message}"
    about = "involvedObject.uid=scan-events,involvedObject.kind=CapabilityScan"

    def look() -> str:
        return kubectl("get", "events", f"--field-selector={about}", "-o", fields)

    try:
        async with recording(client, clock) as recorder:
            meta = ObjectMeta(name="all", uid="scan-events")
            for _ in range(3):
                recorder.tell("CapabilityScan", meta, STARTED)
            with anyio.fail_after(10):
                while await anyio.to_thread.run_sync(look) != "3 Run t1 starts.":  # noqa: ASYNC110
                    await anyio.sleep(0.1)
    finally:
        await client.close()
