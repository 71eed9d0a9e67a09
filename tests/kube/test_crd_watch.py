"""The watch of CRDs: against a loopback server for what goes wrong, and against a real one."""

from contextlib import aclosing
from typing import Any

import anyio
import pytest
from aiohttp import web

from capscan.core.kube_errors import ServerError, Unavailable
from capscan.kube.client import KubeClient
from capscan.kube.crds import PATH
from tests.kube.apiserver import ApiServer, ok, refusal
from tests.kube.watched import events, meta, watching

pytestmark = pytest.mark.anyio
Api = tuple[ApiServer, KubeClient]


def listing(*items: dict[str, Any], version: int = 4) -> web.Response:
    body = {
        "metadata": {"resourceVersion": str(version)},
        "items": [{"metadata": i} for i in items],
    }
    return ok(body)


def event(type_: str, metadata: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return type_, {"metadata": metadata}


async def until_seen(server: ApiServer, requests: int) -> None:
    with anyio.fail_after(10):
        while len(server.seen) < requests:  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def test_only_what_planning_reads_is_a_change(api: Api) -> None:
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
async def test_crds_are_listed_again_where_the_version_is_too_old(
    api: Api, ended: web.Response
) -> None:
    """Only a difference to the earlier listing is told."""
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


async def test_a_watch_raises_what_its_stream_says(api: Api) -> None:
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
