"""HttpClient on connections that a server closed: what is sent again, and what is not."""

import asyncio

import anyio
import pytest

from capscan.core.errors import ProviderUnavailable
from capscan.inference.api.transport import STALE_S_MAX
from tests.inference.api.clients import client_of
from tests.inference.api.loopback import Connection, answer_all, response, serving

pytestmark = pytest.mark.anyio


async def test_a_stale_connection_is_replaced_at_once() -> None:
    """The server closed it at the moment the request came: nothing was asked."""

    async def one_each(connection: Connection) -> None:
        await connection.request()
        if connection.number == 1:
            await connection.send(response())
            await connection.request()

    async def stale_once(connection: Connection) -> None:
        if connection.number == 1:
            await one_each(connection)
        else:
            await answer_all(connection)

    async with serving(stale_once) as server, client_of(server.spec()) as client:
        await client.post("/1", {})
        reply = await client.post("/2", {})

    assert reply.status == 200
    assert [r.split()[1] for r in server.requests] == [b"/v1/1", b"/v1/2", b"/v1/2"]


async def test_a_request_is_repeated_on_a_connection_outside_the_stale_pool() -> None:
    """After a restart behind a load balancer, all of the pool's are: one repeat must do."""
    together = asyncio.Barrier(3)

    async def one_each(connection: Connection) -> None:
        await connection.request()
        if connection.number <= 3:
            await together.wait()
        await connection.send(response())
        await connection.request()

    async with serving(one_each) as server, client_of(server.spec()) as client:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(client.post, "/1", {})
        replies = [await client.post("/2", {}) for _ in range(3)]

    assert [reply.status for reply in replies] == [200] * 3
    assert (server.connections, len(server.requests)) == (6, 9)


async def test_a_fresh_connection_that_is_cut_is_not_tried_again() -> None:
    """The server may have read the request, and it may cost."""

    async def cut(connection: Connection) -> None:
        await connection.request()

    async with serving(cut) as server, client_of(server.spec()) as client:
        with pytest.raises(ProviderUnavailable, match="broke"):
            await client.post("/x", {})

    assert len(server.requests) == 1


async def test_a_request_that_may_have_been_worked_on_is_not_sent_again() -> None:
    """A server that is restarted would get all that it had in hand at once, past the gate."""

    async def dies_later(connection: Connection) -> None:
        await connection.request()
        await connection.send(response())
        await connection.request()
        await anyio.sleep(STALE_S_MAX + 0.2)

    async with serving(dies_later) as server, client_of(server.spec()) as client:
        await client.post("/1", {})
        with pytest.raises(ProviderUnavailable, match="broke"):
            await client.post("/2", {})

    assert len(server.requests) == 2


async def test_a_stale_connection_is_replaced_once() -> None:
    """If the second connection breaks too, the server is away."""

    async def first_only(connection: Connection) -> None:
        await connection.request()
        if connection.number == 1:
            await connection.send(response())
            await connection.request()

    async with serving(first_only) as server, client_of(server.spec()) as client:
        await client.post("/1", {})
        with pytest.raises(ProviderUnavailable, match="broke"):
            await client.post("/2", {})

    assert len(server.requests) == 3


async def test_a_reply_that_breaks_off_is_not_asked_for_again() -> None:
    """This holds on a used connection too, since an answer had begun."""

    async def half(connection: Connection) -> None:
        await connection.request()
        await connection.send(response())
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    async with serving(half) as server, client_of(server.spec()) as client:
        await client.post("/1", {})
        with pytest.raises(ProviderUnavailable, match="broke"):
            await client.post("/2", {})

    assert len(server.requests) == 2
