"""What the API server's answers become, and how credentials are renewed."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from capscan.core.kube_errors import (
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KubeError,
    NotFound,
    NotServed,
)
from capscan.kube.client import KubeClient
from tests.kube.apiserver import ApiServer, Seen, ok, refusal

pytestmark = pytest.mark.anyio

Api = tuple[ApiServer, KubeClient]
PATH = "/apis/example.com/v1/widgets"


# -- refusals


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
async def test_only_a_403_of_rbac_is_a_missing_permission(
    api: Api, message: str, kind: type[KubeError]
) -> None:
    server, client = api
    server.script = [refusal(403, message)]

    with pytest.raises(kind) as caught:
        await client.get(PATH)
    assert type(caught.value) is kind


async def test_a_kind_that_is_not_there_is_told_from_an_object_that_is_not(api: Api) -> None:
    server, client = api
    server.script = [web.Response(status=404, text="404 page not found\n"), refusal(404, name="")]

    for _ in range(2):
        with pytest.raises(NotServed):
            await client.get(PATH)


async def test_a_kind_that_is_being_deleted_is_not_served(api: Api) -> None:
    """Somebody deletes capscan's own CRDs in the middle of a run, and applies them again."""
    server, client = api
    words = "create not allowed while custom resource definition is terminating"
    server.script = [refusal(405, words)]

    with pytest.raises(NotServed, match="is terminating"):
        await client.create(PATH, {})


async def test_no_other_server_is_gone_to(api: Api) -> None:
    """Nobody knows what it would do with the credentials."""
    server, client = api
    elsewhere = web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})
    server.script = [elsewhere, ok({"a": 1})]

    assert await client.get(PATH) == {"a": 1}
    assert len(server.seen) == 2


async def test_a_request_that_is_too_large_will_never_be_accepted(api: Api) -> None:
    """The API server says 500 for that, though trying again is no use."""
    server, client = api
    server.script = [refusal(500, "rpc error: etcdserver: request is too large")]

    with pytest.raises(Invalid, match="too large"):
        await client.merge_patch(PATH, {})


async def test_the_page_of_a_proxy_is_an_answer_too(api: Api) -> None:
    server, client = api
    server.script = [web.Response(status=403, text="<html>Go away</html>")]

    with pytest.raises(Forbidden, match="Go away"):
        await client.get(PATH)


@pytest.mark.parametrize("odd", ["[]", '"no"', "null", '{"message": null, "details": "none"}'])
async def test_refusals_without_a_status_object_are_refusals(api: Api, odd: str) -> None:
    server, client = api
    server.script = [web.Response(status=409, text=odd)]

    with pytest.raises(Conflict):
        await client.get(PATH)


# -- answers that are none


async def test_an_answer_that_is_not_json_is_no_answer(api: Api) -> None:
    """A load balancer may answer with its login page and a 200."""
    server, client = api
    server.script = [web.Response(text="<html>Sign in</html>"), ok({"a": 1})]

    assert await client.get(PATH) == {"a": 1}


@pytest.mark.parametrize("odd", ["[]", "null", "3"])
async def test_an_answer_that_is_no_object_is_no_answer(api: Api, odd: str) -> None:
    server, client = api
    server.script = [web.Response(text=odd), ok({"a": 1})]

    assert await client.get(PATH) == {"a": 1}


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
    assert (await client.login()).authorization == "Bearer second"


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
    """Somebody may be writing it at that moment."""
    server, client = api
    server.handler = only("second")
    server.kubeconfig.write_text("")

    with anyio.move_on_after(0.2) as scope:
        await client.get(PATH)
    assert scope.cancelled_caught
    server.login(token="second")

    assert await client.get(PATH) == {"a": 1}
