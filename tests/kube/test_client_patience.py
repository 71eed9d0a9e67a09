"""Calls are repeated to the letter while the API server is away, for as long as the client waits.

How often, and which errors are waited for, is tested in virtual time in `test_patience.py`.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from capscan.core.kube_errors import Unavailable
from capscan.kube.client import KubeClient
from tests.kube.apiserver import ApiServer, Seen, ok, refusal, serving

pytestmark = pytest.mark.anyio

Api = tuple[ApiServer, KubeClient]
PATH = "/apis/example.com/v1/widgets"
SHORT_S = 0.3
"""The patience of a client that does not wait for ever."""


@pytest.mark.parametrize("status", [401, 429, 500, 502, 503, 504])
async def test_an_error_that_may_pass_is_tried_again(api: Api, status: int) -> None:
    server, client = api
    server.script = [refusal(status), ok({"a": 1})]

    assert await client.get(PATH) == {"a": 1}
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get(PATH),
        lambda client: client.list_metadata(PATH, dict),
        lambda client: client.list_objects(PATH, dict),
        lambda client: client.apply(PATH, {"a": 1}),
        lambda client: client.merge_patch(PATH, {"a": 1}),
        lambda client: client.json_patch(PATH, [{"op": "remove", "path": "/a"}]),
        lambda client: client.delete(PATH, "u1"),
    ],
    ids=["get", "list metadata", "list objects", "apply", "merge patch", "json patch", "delete"],
)
async def test_every_call_is_repeated_to_the_letter(
    api: Api, call: Callable[[KubeClient], Awaitable[Any]]
) -> None:
    """The first request may have had its effect, and only its answer was lost."""
    server, client = api
    server.script = [refusal(503), ok({"metadata": {}, "items": []})]
    await call(client)
    first, second = server.seen

    assert (first.method, first.path, first.query, first.body) == (
        second.method,
        second.path,
        second.query,
        second.body,
    )


async def test_the_wait_that_the_server_asks_for_is_kept(api: Api) -> None:
    server, client = api
    server.script = [refusal(429, **{"Retry-After": "1"}), ok()]
    began_s = anyio.current_time()
    await client.get(PATH)

    assert anyio.current_time() - began_s >= 1


async def test_an_absent_server_is_waited_for(api: Api) -> None:
    server, client = api
    await client.get(PATH)
    await server.stop()
    answered = anyio.Event()

    async def get() -> None:
        assert await client.get(PATH) == {}
        answered.set()

    async with anyio.create_task_group() as group:
        group.start_soon(get)
        with anyio.move_on_after(0.3):
            await answered.wait()
        assert not answered.is_set()
        await server.start()

    assert answered.is_set()


async def test_a_connection_that_breaks_in_mid_answer_is_no_answer(api: Api) -> None:
    server, client = api
    calls = 0

    async def breaks(_: Seen) -> web.Response:
        nonlocal calls
        calls += 1
        if calls == 1:
            response = ok()
            response.headers["Content-Length"] = "1000"
            response.force_close()
            return response
        return ok({"a": 1})

    server.handler = breaks

    assert await client.get(PATH) == {"a": 1}


async def test_patience_ends_where_the_caller_ends_it(api: Api) -> None:
    server, client = api
    server.script = [refusal(503) for _ in range(99)]

    with anyio.move_on_after(0.2) as scope:
        await client.get(PATH)

    assert scope.cancelled_caught


async def test_an_outage_is_told_when_it_is_felt_and_when_it_is_over(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    server, client = api
    server.script = [refusal(503, "starting") for _ in range(3)]
    caplog.set_level("INFO")
    await client.get(PATH)

    felt, over = (record.getMessage() for record in caplog.records)
    assert felt == "The API server is not answering (503: starting); trying on."
    assert over.startswith("The API server answers again, after ")


async def test_a_client_with_a_limit_tells_what_it_last_heard(tmp_path: Path) -> None:
    async def is_starting(_: Seen) -> web.Response:
        return refusal(503, "starting")

    async with serving(tmp_path, patience_s=SHORT_S) as (server, client):
        server.handler = is_starting
        with anyio.fail_after(10), pytest.raises(Unavailable, match=r"0\.3 s \(503: starting\)"):
            await client.get(PATH)

    assert server.seen


async def test_a_client_with_a_limit_gives_up_a_server_that_does_not_listen(tmp_path: Path) -> None:
    async with serving(tmp_path, patience_s=SHORT_S) as (server, client):
        await server.stop()
        with anyio.fail_after(10), pytest.raises(Unavailable, match="Connect call failed"):
            await client.list_metadata(PATH, dict)


async def test_a_client_with_a_limit_gives_up_a_server_that_sends_nothing_back(
    tmp_path: Path,
) -> None:
    """It gives up sooner than the request's own timeout of 30 s."""
    over = anyio.Event()

    async def hangs(_: Seen) -> web.Response:
        await over.wait()
        return ok()

    async with serving(tmp_path, patience_s=SHORT_S) as (server, client):
        server.handler = hangs
        with anyio.fail_after(10), pytest.raises(Unavailable, match="nothing came back"):
            await client.check_watch(PATH)
        over.set()


async def test_a_client_with_a_limit_serves_again_once_the_server_is_back(tmp_path: Path) -> None:
    async with serving(tmp_path, patience_s=SHORT_S) as (server, client):
        await server.stop()
        with pytest.raises(Unavailable):
            await client.get(PATH)
        await server.start()

        assert await client.get(PATH) == {}
