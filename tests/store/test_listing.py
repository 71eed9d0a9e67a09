"""Listing Capabilities in full: in pages, over expired continue tokens, and what stops it."""

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from capscan.core.errors import MissingKind, MissingPermission, ScanError
from capscan.kube.client import KubeClient
from capscan.store.capabilities import PAGE_ITEMS_MAX, CapabilityStore
from capscan.store.ports import NamedCapability
from tests.fakes import crd
from tests.kube.apiserver import ok, refusal, serving
from tests.store.entries import answer

pytestmark = pytest.mark.anyio


def page(*names: str, more: str = "", **content: Any) -> web.Response:
    items = [{"metadata": {"name": name}, **content} for name in names]
    return ok({"metadata": {"continue": more} if more else {}, "items": items})


async def listed(client: KubeClient) -> list[str]:
    """Return the names that a reader gets, in their order."""
    async with aclosing(CapabilityStore(client).list_all()) as listing:
        return [found.name async for found in listing]


async def test_a_listing_in_full_comes_in_pages_of_fifty(tmp_path: Path) -> None:
    """Each page is read only when the reader is through with the one before it."""
    async with serving(tmp_path) as (server, client):
        server.script = [page("a", "b", more="token"), page("c")]
        async with aclosing(CapabilityStore(client).list_all()) as listing:
            requests = [(found.name, len(server.seen)) async for found in listing]

    assert requests == [("a", 1), ("b", 1), ("c", 2)]
    assert [seen.query for seen in server.seen] == [
        {"limit": "50"},
        {"limit": "50", "continue": "token"},
    ]
    assert PAGE_ITEMS_MAX == 50


async def test_an_expired_continue_token_starts_over_and_no_name_comes_twice(
    tmp_path: Path,
) -> None:
    """A Capability that was written meanwhile comes too; one that was deleted was told already."""
    async with serving(tmp_path) as (server, client):
        server.script = [
            page("a", "c", more="old"),
            refusal(410, "The provided continue parameter is too old"),
            page("b", "c", more="new"),
            page("d"),
        ]
        assert await listed(client) == ["a", "c", "b", "d"]

    assert "continue" not in server.seen[2].query
    assert server.seen[3].query["continue"] == "new"


async def test_a_capability_that_is_not_understood_is_left_out(tmp_path: Path) -> None:
    """A newer version of capscan wrote it, and the others can be read all the same."""
    async with serving(tmp_path) as (server, client):
        odd = {"metadata": {"name": "a"}, "analysis": {"complexity": "unheard of"}}
        server.script = [ok({"metadata": {}, "items": [odd, {"metadata": {"name": "b"}}]})]

        assert await listed(client) == ["b"]


async def test_a_listing_without_items_may_say_null(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, client):
        server.script = [ok({"metadata": {}, "items": None})]

        assert await listed(client) == []


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (403, MissingPermission, r"may not list Capabilities.*resources \[capabilities\]"),
        (404, MissingKind, "kubectl apply -k crds"),
    ],
)
async def test_what_stops_a_listing_says_what_to_do(
    tmp_path: Path, status: int, kind: type[ScanError], said: str
) -> None:
    async with serving(tmp_path) as (server, client):
        server.script = [refusal(status, name="")]

        with pytest.raises(kind, match=said):
            await listed(client)


async def test_a_real_api_server_gives_all_pages_as_of_the_first_one(client: KubeClient) -> None:
    """Sixty Capabilities are two pages; one on the second is written anew in between."""
    store = CapabilityStore(client)
    names = [f"kind{n:02}.example.com" for n in range(60)]
    for name in names:
        await store.write(answer(of=crd(name)))
    found: list[NamedCapability] = []
    async with aclosing(store.list_all()) as listing:
        async for one in listing:
            found.append(one)
            if len(found) == 1:
                await store.write(answer("r2", "Better.", of=crd(names[-1])))

    assert [one.name for one in found] == names
    assert found[-1].capability == answer(of=crd(names[-1])).capability
