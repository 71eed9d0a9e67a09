"""The requests that the client sends, and what it makes of listings."""

from typing import Any

import pytest
from aiohttp import web

from capscan.core.kube_errors import Forbidden, ServerError
from capscan.kube.client import PAGE_ITEMS_MAX, KubeClient
from capscan.kube.transport import REPLY_BYTES_MAX, ReplyTooLarge
from tests.kube.apiserver import ApiServer, Seen, ok, refusal

pytestmark = pytest.mark.anyio

Api = tuple[ApiServer, KubeClient]
PATH = "/apis/example.com/v1/widgets"


def name_of(metadata: dict[str, Any]) -> str:
    return str(metadata["name"])


def page(*names: str, more: str = "") -> web.Response:
    items = [{"metadata": {"name": name}} for name in names]
    return ok({"metadata": {"continue": more} if more else {}, "items": items})


# -- listings


async def test_a_listing_is_read_in_pages_of_metadata(api: Api) -> None:
    server, client = api
    server.script = [page("a", "b", more="token"), page("c")]

    assert await client.list_metadata(PATH, name_of) == ["a", "b", "c"]
    first, second = server.seen
    assert first.query == {"limit": str(PAGE_ITEMS_MAX)}
    assert second.query == {"limit": str(PAGE_ITEMS_MAX), "continue": "token"}
    assert "as=PartialObjectMetadataList" in first.headers["Accept"]


async def test_each_page_of_a_listing_is_used_before_the_next_one_is_asked_for(api: Api) -> None:
    """So one page is in memory at a time."""
    server, client = api
    server.script = [page("a", "b", more="token"), page("c")]

    taken = await client.list_metadata(PATH, lambda item: (item["name"], len(server.seen)))

    assert taken == [("a", 1), ("b", 1), ("c", 2)]


async def test_a_listing_whose_continue_token_expired_starts_over(api: Api) -> None:
    server, client = api
    server.script = [page("a", more="old"), refusal(410), page("b", more="new"), page("c")]

    assert await client.list_metadata(PATH, name_of) == ["b", "c"]
    assert "continue" not in server.seen[2].query


async def test_objects_are_listed_in_full_in_pages(api: Api) -> None:
    server, client = api
    server.script = [page("a", more="next"), page("b")]

    items, _ = await client.list_objects(PATH, lambda item: item["metadata"]["name"])

    assert items == ["a", "b"]
    assert [seen.query["limit"] for seen in server.seen] == ["50", "50"]


async def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones(api: Api) -> None:
    """Whoever may edit CRDs may fill each with 256 KiB of annotations."""
    server, client = api
    names = [f"n{number:03}" for number in range(120)]

    async def answer(seen: Seen) -> web.Response:
        begin, limit = int(seen.query.get("continue", 0)), int(seen.query["limit"])
        part = names[begin : begin + limit]
        more = str(begin + limit) if begin + limit < len(names) else ""
        items = [{"metadata": {"name": name, "annotations": {"a": "<" * 2**18}}} for name in part]
        return ok({"metadata": {"continue": more}, "items": items})

    server.handler = answer

    assert await client.list_metadata(PATH, name_of) == names
    assert [int(seen.query["limit"]) for seen in server.seen][:6] == [500, 250, 125, 63, 32, 16]


async def test_a_reply_that_is_larger_than_any_object_is_refused(api: Api) -> None:
    server, client = api
    server.script = [ok({"a": "x" * (REPLY_BYTES_MAX + 1)})]

    with pytest.raises(ReplyTooLarge, match="larger than 16 MiB"):
        await client.get(PATH)


async def test_a_listing_that_goes_round_in_a_circle_is_ended(api: Api) -> None:
    server, client = api
    server.script = [page("a", more="same"), page("b", more="same")]

    with pytest.raises(ServerError, match="does not come to an end"):
        await client.list_metadata(PATH, name_of)


async def test_a_listing_of_nothing_may_say_null(api: Api) -> None:
    server, client = api
    server.script = [ok({"metadata": {}, "items": None}) for _ in range(2)]

    assert await client.list_metadata(PATH, name_of) == []
    assert await client.list_objects(PATH, lambda item: item) == ([], "")


# -- writes


async def test_an_apply_names_its_manager_and_wins(api: Api) -> None:
    server, client = api
    await client.apply(f"{PATH}/a", {"metadata": {"name": "a"}})
    (seen,) = server.seen

    assert (seen.method, seen.path) == ("PATCH", f"{PATH}/a")
    assert seen.query == {"fieldManager": "capscan", "force": "true"}
    assert seen.headers["Content-Type"].startswith("application/apply-patch+yaml")
    assert seen.body == {"metadata": {"name": "a"}}


async def test_a_merge_patch_is_sent_as_one(api: Api) -> None:
    server, client = api
    await client.merge_patch(f"{PATH}/a/status", {"status": None})
    (seen,) = server.seen

    assert seen.headers["Content-Type"] == "application/merge-patch+json"
    assert seen.body == {"status": None}


async def test_a_json_patch_is_sent_as_one(api: Api) -> None:
    server, client = api
    operations = [{"op": "add", "path": "/status", "value": {}}]
    await client.json_patch(f"{PATH}/a/status", operations)
    (seen,) = server.seen

    assert seen.headers["Content-Type"] == "application/json-patch+json"
    assert seen.body == operations


async def test_a_delete_names_the_uid_of_its_object(api: Api) -> None:
    server, client = api
    await client.delete(f"{PATH}/a", "u1")
    (seen,) = server.seen

    assert (seen.method, seen.body) == ("DELETE", {"preconditions": {"uid": "u1"}})


@pytest.mark.parametrize("status", [404, 409])
async def test_deleting_an_object_that_is_gone_is_no_error(api: Api, status: int) -> None:
    server, client = api
    server.script = [refusal(status)]

    await client.delete(f"{PATH}/a", "u1")


async def test_a_delete_that_is_not_allowed_is_an_error(api: Api) -> None:
    server, client = api
    server.script = [refusal(403)]

    with pytest.raises(Forbidden):
        await client.delete(f"{PATH}/a", "u1")
