"""What the API server's answers become, and how long an absent one is waited for."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from capscan.core.errors import (
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KubeError,
    NotFound,
    NotServed,
    ServerError,
)
from capscan.kube import client as kube_client
from capscan.kube.client import PAGE_ITEMS_MAX, KubeClient
from tests.kube.apiserver import ApiServer, Seen, ok, refusal

pytestmark = pytest.mark.anyio

Api = tuple[ApiServer, KubeClient]
PATH = "/apis/example.com/v1/widgets"


def name_of(metadata: dict[str, Any]) -> str:
    return str(metadata["name"])


def page(*names: str, more: str = "") -> web.Response:
    items = [{"metadata": {"name": name}} for name in names]
    return ok({"metadata": {"continue": more} if more else {}, "items": items})


# -- what is said


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Expired),
        (413, Invalid),
        (422, Invalid),
    ],
)
async def test_refusals_become_errors_with_the_servers_own_words(
    api: Api, status: int, kind: type[KubeError]
) -> None:
    server, client = api
    server.script = [refusal(status, "user u cannot do that")]

    with pytest.raises(kind, match="user u cannot do that") as caught:
        await client.get(PATH)

    assert type(caught.value) is kind
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('capabilities.capscan.dev "x" is forbidden: User "u" cannot patch resource', Forbidden),
        ("ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", Invalid),
        ('admission webhook "w.example.com" denied the request: no', Invalid),
        ("create not allowed while custom resource definition is terminating", NotServed),
    ],
)
async def test_not_every_403_is_mended_by_a_permission(
    api: Api, message: str, kind: type[KubeError]
) -> None:
    server, client = api
    server.script = [refusal(403, message)]

    with pytest.raises(kind) as caught:
        await client.get(PATH)
    assert type(caught.value) is kind


async def test_a_server_error_is_waited_for_and_then_told(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken webhook may need somebody: endless patience would hide it."""
    monkeypatch.setattr(kube_client, "SERVER_ERROR_PATIENCE_S", 2.0)
    server, client = api
    server.script = [refusal(500, "failed calling webhook") for _ in range(3)]
    assert await client.get(PATH) == {}

    server.script = [refusal(500, "failed calling webhook") for _ in range(99)]
    with pytest.raises(ServerError, match="answered 500: failed calling webhook"):
        await client.get(PATH)


async def test_patience_with_server_errors_begins_when_the_server_is_back(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been away for longer than that, and its etcd has no leader at first."""
    monkeypatch.setattr(kube_client, "SERVER_ERROR_PATIENCE_S", 0.0)
    server, client = api
    server.script = [refusal(503), refusal(500, "etcdserver: no leader")]

    assert await client.get(PATH) == {}


async def test_a_kind_that_is_not_there_is_told_from_an_object_that_is_not(api: Api) -> None:
    server, client = api
    server.script = [web.Response(status=404, text="404 page not found\n"), refusal(404, name="")]

    for _ in range(2):
        with pytest.raises(NotServed):
            await client.get(PATH)


async def test_a_request_that_is_too_large_will_never_be_accepted(api: Api) -> None:
    """The API server says 500 for that, though trying again is no use."""
    server, client = api
    server.script = [refusal(500, "rpc error: etcdserver: request is too large")]

    with pytest.raises(Invalid, match="too large"):
        await client.merge_patch(PATH, {})


async def test_a_proxys_page_is_an_answer_too(api: Api) -> None:
    server, client = api
    server.script = [web.Response(status=403, text="<html>Go away</html>")]

    with pytest.raises(Forbidden, match="Go away"):
        await client.get(PATH)


@pytest.mark.parametrize("odd", ["[]", '"no"', "null", '{"message": null, "details": "none"}'])
async def test_odd_refusals_are_refusals(api: Api, odd: str) -> None:
    server, client = api
    server.script = [web.Response(status=409, text=odd)]

    with pytest.raises(Conflict):
        await client.get(PATH)


# -- patience


@pytest.mark.parametrize("status", [401, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_tried_again(api: Api, status: int) -> None:
    server, client = api
    server.script = [refusal(status), ok({"a": 1})]

    assert await client.get(PATH) == {"a": 1}
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get(PATH),
        lambda client: client.list_metadata(PATH, dict),
        lambda client: client.list_objects(PATH),
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
    """Whatever the first one did, for its answer may have been lost."""
    server, client = api
    server.script = [refusal(503), page()]
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


async def test_an_answer_that_is_not_json_is_no_answer(api: Api) -> None:
    """A load balancer's login page, with a 200."""
    server, client = api
    server.script = [web.Response(text="<html>Sign in</html>"), ok({"a": 1})]

    assert await client.get(PATH) == {"a": 1}


@pytest.mark.parametrize("odd", ["[]", "null", "3"])
async def test_an_answer_that_is_no_object_is_no_answer(api: Api, odd: str) -> None:
    server, client = api
    server.script = [web.Response(text=odd), page("a")]

    assert await client.list_metadata(PATH, name_of) == ["a"]


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


# -- credentials


def only(token: str) -> Callable[[Seen], Awaitable[web.Response]]:
    async def answer(seen: Seen) -> web.Response:
        right = seen.headers["Authorization"] == f"Bearer {token}"
        return ok({"a": 1}) if right else refusal(401)

    return answer


async def test_after_a_401_the_credentials_are_read_again(api: Api) -> None:
    server, client = api
    server.handler = only("second")
    server.login(token="second")

    assert await client.get(PATH) == {"a": 1}
    assert len(server.seen) == 2
    assert (await client.login()).token == "second"


async def test_an_expired_token_is_renewed_under_many_requests_at_once(
    api: Api, tmp_path: Path
) -> None:
    """Each of them is told 401, none may pull the connection from under another, and the plugin
    that knows the new token is asked once.
    """
    server, client = api
    server.handler = only("second")
    asked = tmp_path / "asked"
    token = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "second"},
    }
    script = f"echo asked >> '{asked}'; echo '{json.dumps(token)}'"
    server.login(
        exec={
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "sh",
            "args": ["-c", script],
            "interactiveMode": "Never",
        }
    )
    got: list[Any] = []

    async def get() -> None:
        got.append(await client.get(PATH))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(get)

    assert got == [{"a": 1}] * 50
    assert len(server.seen) == 100
    assert asked.read_text() == "asked\n"


async def test_a_kubeconfig_that_is_gone_when_the_token_expires_is_waited_for(api: Api) -> None:
    """Somebody is writing it anew at that moment."""
    server, client = api
    server.handler = only("second")
    server.kubeconfig.write_text("")

    with anyio.move_on_after(0.2) as scope:
        await client.get(PATH)
    assert scope.cancelled_caught
    server.login(token="second")

    assert await client.get(PATH) == {"a": 1}


# -- listings


async def test_a_listing_is_read_in_pages_of_metadata(api: Api) -> None:
    server, client = api
    server.script = [page("a", "b", more="token"), page("c")]

    assert await client.list_metadata(PATH, name_of) == ["a", "b", "c"]
    first, second = server.seen
    assert first.query == {"limit": str(PAGE_ITEMS_MAX)}
    assert second.query == {"limit": str(PAGE_ITEMS_MAX), "continue": "token"}
    assert "as=PartialObjectMetadataList" in first.headers["Accept"]


async def test_of_a_listing_one_page_is_held_at_a_time(api: Api) -> None:
    """What is wanted of it was taken before the next one is asked for."""
    server, client = api
    server.script = [page("a", "b", more="token"), page("c")]

    taken = await client.list_metadata(PATH, lambda item: (item["name"], len(server.seen)))

    assert taken == [("a", 1), ("b", 1), ("c", 2)]


async def test_a_listing_that_outlived_its_token_starts_over(api: Api) -> None:
    server, client = api
    server.script = [page("a", more="old"), refusal(410), page("b", more="new"), page("c")]

    assert await client.list_metadata(PATH, name_of) == ["b", "c"]
    assert "continue" not in server.seen[2].query


async def test_no_items_may_come_as_null(api: Api) -> None:
    server, client = api
    server.script = [ok({"metadata": {}, "items": None}) for _ in range(2)]

    assert await client.list_metadata(PATH, name_of) == []
    assert await client.list_objects(PATH) == ([], "")


# -- writes


async def test_an_apply_names_its_manager_and_wins(api: Api) -> None:
    server, client = api
    await client.apply(f"{PATH}/a", {"metadata": {"name": "a"}})
    (seen,) = server.seen

    assert (seen.method, seen.path) == ("PATCH", f"{PATH}/a")
    assert seen.query == {"fieldManager": "capscan", "force": "true"}
    assert seen.headers["Content-Type"].startswith("application/apply-patch+yaml")
    assert seen.body == {"metadata": {"name": "a"}}


async def test_a_merge_patch_is_one(api: Api) -> None:
    server, client = api
    await client.merge_patch(f"{PATH}/a/status", {"status": None})
    (seen,) = server.seen

    assert seen.headers["Content-Type"] == "application/merge-patch+json"
    assert seen.body == {"status": None}


async def test_a_json_patch_is_one(api: Api) -> None:
    server, client = api
    operations = [{"op": "add", "path": "/status", "value": {}}]
    await client.json_patch(f"{PATH}/a/status", operations)
    (seen,) = server.seen

    assert seen.headers["Content-Type"] == "application/json-patch+json"
    assert seen.body == operations


async def test_a_delete_is_of_one_object_and_not_of_its_namesake(api: Api) -> None:
    server, client = api
    await client.delete(f"{PATH}/a", "u1")
    (seen,) = server.seen

    assert (seen.method, seen.body) == ("DELETE", {"preconditions": {"uid": "u1"}})


@pytest.mark.parametrize("status", [404, 409])
async def test_what_is_gone_already_is_deleted(api: Api, status: int) -> None:
    server, client = api
    server.script = [refusal(status)]

    await client.delete(f"{PATH}/a", "u1")


async def test_a_delete_that_is_not_allowed_is_an_error(api: Api) -> None:
    server, client = api
    server.script = [refusal(403)]

    with pytest.raises(Forbidden):
        await client.delete(f"{PATH}/a", "u1")
