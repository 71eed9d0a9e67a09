"""The watch of CRDs: against a loopback server for what goes wrong, and against a real one."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from capscan.core.conditions import Stall
from capscan.core.errors import ServerError, Unavailable
from capscan.kube import crd_watch
from capscan.kube.client import KubeClient
from capscan.kube.config import ClusterSettings
from capscan.kube.crd_watch import CrdWatch
from capscan.kube.crds import PATH
from capscan.localplane.plane import Plane
from tests.builders import crd
from tests.kube.apiserver import ApiServer, Seen, ok, refusal
from tests.kubectl import Kubectl

pytestmark = pytest.mark.anyio

Api = tuple[ApiServer, KubeClient]


def meta(name: str, generation: int = 1, version: int = 5, **labels: str) -> dict[str, Any]:
    return {
        "name": name,
        "uid": f"uid-{name}",
        "generation": generation,
        "resourceVersion": str(version),
        "labels": labels,
    }


def listing(*items: dict[str, Any], version: int = 4) -> web.Response:
    body = {
        "metadata": {"resourceVersion": str(version)},
        "items": [{"metadata": i} for i in items],
    }
    return ok(body)


def events(*lines: tuple[str, dict[str, Any]]) -> web.Response:
    text = "".join(json.dumps({"type": t, "object": o}) + "\n" for t, o in lines)
    return web.Response(text=text)


def event(type_: str, metadata: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return type_, {"metadata": metadata}


class Quiet:
    """Holds every watch open until it is over."""

    def __init__(self) -> None:
        self._over = anyio.Event()

    async def __call__(self, _: Seen) -> web.Response:
        await self._over.wait()
        return events()

    async def end(self) -> None:
        self._over.set()
        await anyio.wait_all_tasks_blocked()


class Told:
    """How often something changed."""

    def __init__(self) -> None:
        self.times = 0
        self.hindrances: list[Stall | None] = []

    def __call__(self) -> None:
        self.times += 1


@asynccontextmanager
async def watching(client: KubeClient, server: ApiServer | None = None) -> AsyncIterator[Told]:
    """After its script the server is quiet, unless it has been told what to do."""
    told, quiet = Told(), Quiet()
    if server and server.handler is None:
        server.handler = quiet
    async with anyio.create_task_group() as group:
        group.start_soon(CrdWatch(client).run, told, told.hindrances.append)
        yield told
        group.cancel_scope.cancel()
    await quiet.end()


async def until_seen(server: ApiServer, requests: int) -> None:
    with anyio.fail_after(10):
        while len(server.seen) < requests:  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def test_what_a_plan_goes_by_is_news_and_nothing_else(api: Api) -> None:
    server, client = api
    a, own = meta("a.x"), meta("capabilities.capscan.dev")
    server.script = [
        listing(a),
        events(
            event("MODIFIED", meta("a.x", version=6)),  # its status
            event("BOOKMARK", {"resourceVersion": "7"}),
            event("ADDED", own),
            event("DELETED", meta("never-seen.x", version=8)),
        ),
    ]
    async with watching(client, server) as told:
        await until_seen(server, 3)
        assert told.times == 1  # the listing

    watch = server.seen[2]
    assert watch.query["resourceVersion"] == "8"
    assert watch.query["allowWatchBookmarks"] == "true"
    assert "as=PartialObjectMetadata;" in watch.headers["Accept"]


async def test_each_change_is_told(api: Api) -> None:
    server, client = api
    server.script = [
        listing(meta("a.x")),
        events(
            event("ADDED", meta("b.x")),
            event("MODIFIED", meta("a.x", generation=2)),
            event("MODIFIED", meta("a.x", generation=2, team="db")),
            event("DELETED", meta("b.x")),
        ),
    ]
    async with watching(client, server) as told:
        await until_seen(server, 3)

    assert told.times == 5


@pytest.mark.parametrize(
    "ended", [events(("ERROR", {"code": 410, "message": "too old"})), refusal(410)]
)
async def test_a_version_that_is_too_old_is_listed_anew(api: Api, ended: web.Response) -> None:
    """Only a difference to what was known is news."""
    server, client = api
    server.script = [
        listing(meta("a.x")),
        ended,
        listing(meta("a.x", version=9), version=9),
        refusal(410),
        listing(meta("a.x"), meta("b.x"), version=11),
    ]
    async with watching(client, server) as told:
        await until_seen(server, 6)
        assert told.times == 2

    assert server.seen[3].query["resourceVersion"] == "9"


@pytest.mark.parametrize("ended", [refusal(410), events()], ids=["too old", "over at once"])
async def test_a_watch_that_tells_nothing_again_and_again_is_not_begun_without_a_pause(
    api: Api, ended: web.Response
) -> None:
    """A proxy that closes streams, or an API server that forgets too soon."""
    server, client = api

    async def refuse(seen: Seen) -> web.Response:
        return web.Response(**_copied(ended)) if "watch" in seen.query else listing(meta("a.x"))

    server.handler = refuse
    async with watching(client, server):
        await anyio.sleep(1.5)

    assert len(server.seen) <= 4


def _copied(response: web.Response) -> dict[str, Any]:
    """A response can be sent but once."""
    return {"status": response.status, "text": response.text, "content_type": response.content_type}


async def test_a_watch_that_is_cut_goes_on_where_it_was(api: Api) -> None:
    server, client = api
    server.script = [
        listing(meta("a.x")),
        refusal(503),
        events(event("ADDED", meta("b.x"))),
    ]
    async with watching(client, server) as told:
        await until_seen(server, 4)
        assert told.times == 2

    assert [one.query.get("watch") for one in server.seen] == [None, "true", "true", "true"]


@pytest.mark.parametrize("verb", ["watch", "list"])
async def test_a_permission_that_is_missing_is_said_once_and_heals(
    verb: str, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes on trying, and by listing it sees what it may not watch."""
    monkeypatch.setattr(crd_watch, "PAUSE_S", (0.01,))
    server, client = api
    crds, granted = [meta("a.x")], False

    async def forbidden(one: Seen) -> web.Response:
        if not granted and (verb == "list" or "watch" in one.query):
            return refusal(403, "may not")
        return events() if "watch" in one.query else listing(*crds)

    server.handler = forbidden
    async with watching(client, server) as told:
        await until_seen(server, 12)
        (hindrance,) = told.hindrances
        crds.append(meta("b.x"))
        await until_seen(server, len(server.seen) + 12)
        assert told.times == (2 if verb == "watch" else 0)
        granted = True
        with anyio.fail_after(10):
            while len(told.hindrances) < 2:  # noqa: ASYNC110
                await anyio.sleep(0.01)

    assert hindrance is not None
    assert hindrance.reason == "MissingPermission"
    assert f"may not {verb} CustomResourceDefinitions, so that spec.follow" in hindrance.message
    assert "verbs [get, list, watch]" in hindrance.message
    assert told.hindrances == [hindrance, None]
    assert caplog.text.count("verbs [get, list, watch]") == 1


async def test_a_refusal_by_an_api_server_that_has_just_come_back_is_no_missing_right(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crd_watch, "PAUSE_S", (0.01,))
    server, client = api
    server.script = [
        listing(meta("a.x")),
        refusal(503, "away"),
        refusal(403, "not yet"),
        listing(meta("a.x")),
    ]
    async with watching(client, server) as told:
        await until_seen(server, 5)

    assert told.hindrances == []


async def test_a_stream_says_what_is_wrong(api: Api) -> None:
    server, client = api
    server.script = [
        events(("ERROR", {"code": 500, "message": "etcd"})),
        web.Response(text="no json\n"),
        web.Response(text='{"kind": "Status", "message": "who knows"}\n'),
        web.Response(text='{"type": "ADDED", "object": {}}\n'),
    ]

    for error in (ServerError, Unavailable, Unavailable, Unavailable):
        with pytest.raises(error):
            async with aclosing(client.watch_metadata(PATH, "1")) as found:
                await anext(found)


async def test_a_watch_that_is_left_keeps_no_socket(plane: Plane) -> None:
    """Not even until the API server has agreed to the end of TLS: the loop may be over by then."""
    before = open_files()
    client = KubeClient(ClusterSettings(kubeconfig=str(plane.info().kubeconfig)))
    await client.connect()
    async with aclosing(client.watch_metadata("/api/v1/namespaces", "0")) as found:
        await anext(found)
        assert open_files() > before

    await client.close()
    await anyio.lowlevel.checkpoint()

    assert open_files() == before


def open_files() -> int:
    """Of this process, sockets among them."""
    return len(list(Path("/dev/fd").iterdir()))


async def test_a_real_api_server(plane: Plane, kubectl: Kubectl) -> None:
    """Added, changed, labelled, removed; what its controllers write into the status is no news."""
    client = KubeClient(ClusterSettings(kubeconfig=str(plane.info().kubeconfig)))
    await client.connect()
    try:
        async with watching(client) as told:
            await _settled(told, 1)
            body = crd("watches", group="watched.example.com")
            name = body["metadata"]["name"]
            await _kubectl(kubectl, "apply", "-f", "-", input=json.dumps(body))
            await _kubectl(kubectl, "wait", "--for=condition=Established", f"crd/{name}")
            await _settled(told, 2)
            await _kubectl(kubectl, "label", "crd", name, "team=db")
            await _settled(told, 3)
            body["spec"]["names"]["shortNames"] = ["wtch"]
            await _kubectl(kubectl, "apply", "-f", "-", input=json.dumps(body))
            await _settled(told, 4)
            await _kubectl(kubectl, "delete", "crd", name)
            with anyio.fail_after(10):
                while told.times < 5:  # noqa: ASYNC110
                    await anyio.sleep(0.05)
    finally:
        await client.close()


async def _kubectl(kubectl: Kubectl, *args: str, **options: Any) -> None:
    await anyio.to_thread.run_sync(lambda: kubectl(*args, **options))


async def _settled(told: Told, times: int) -> None:
    with anyio.fail_after(10):
        while told.times < times:  # noqa: ASYNC110
            await anyio.sleep(0.05)
    await anyio.sleep(0.3)
    assert told.times == times
