"""HttpClient against a real server: what is sent, and that what comes back is bounded."""

import asyncio
import gzip
import logging

import anyio
import pytest

from capscan.core.errors import InferenceTimeout, InvalidAnswer
from capscan.inference.api.http import REPLY_BYTES_MAX
from tests.inference.api.clients import client_of, failure
from tests.inference.api.loopback import Connection, answer_all, response, serving
from tests.inference.spent import spent

pytestmark = pytest.mark.anyio


async def test_one_request_and_its_reply() -> None:
    """Sent as JSON, without compression, to where baseURL says; the connection is used again."""
    async with serving(answer_all) as server, client_of(server.spec()) as client:
        replies = [await client.post("/chat", {"a": "é"}), await client.get("/models")]

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert [reply.status for reply in replies] == [200, 200]
    assert server.connections == 1
    assert head.startswith(b"POST /v1/chat HTTP/1.1\r\n")
    assert b"\r\naccept-encoding: identity\r\n" in head.lower() + b"\r\n"
    assert b"\r\nauthorization: Bearer secret" in head
    assert body == '{"a":"é"}'.encode()


async def test_a_reply_without_end_is_cut_at_the_limit() -> None:
    """A body of 100 MB is neither stored nor read to its end."""
    sent = 0

    async def flood(connection: Connection) -> None:
        nonlocal sent
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
        while sent < 104857600:
            await connection.send(b"x" * 65536)
            sent += 65536

    error = await failure(flood)

    assert isinstance(error, InvalidAnswer)
    assert str(REPLY_BYTES_MAX) in error.message
    assert spent(error).requests == 1
    assert sent < 20 * REPLY_BYTES_MAX


async def test_a_compressed_reply_without_end_is_cut_as_well() -> None:
    """Compression that nobody asked for is read, up to the same limit."""
    bomb = gzip.compress(b"x" * 100 * 1024 * 1024)

    async def inflate(connection: Connection) -> None:
        await connection.request()
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
        await connection.send(head.encode() + bomb)

    error = await failure(inflate)

    assert isinstance(error, InvalidAnswer)
    assert str(REPLY_BYTES_MAX) in str(error)


async def test_a_reply_that_trickles_ends_with_the_caller_and_the_pool_lives() -> None:
    """One byte now and then never trips a read timeout; cancelling it costs one connection."""

    async def trickle(connection: Connection) -> None:
        await connection.request()
        if connection.number == 1:
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while True:
                await connection.send(b"x")
                await asyncio.sleep(0.01)
        await connection.send(response())

    async with serving(trickle) as server, client_of(server.spec()) as client:
        with anyio.move_on_after(0.2) as scope:
            await client.post("/1", {})
        reply = await client.post("/2", {})

    assert scope.cancelled_caught
    assert reply.status == 200


async def test_many_cancelled_requests_leave_the_pool_usable() -> None:
    """This holds in whatever state each request was."""

    async def slow(connection: Connection) -> None:
        while b"fast" not in await connection.request():
            await asyncio.sleep(0.05)
            await connection.send(response())
        await connection.send(response())

    async with serving(slow) as server, client_of(server.spec()) as client:
        for round_s in (0.0, 0.001, 0.02, 0.05, 0.06):
            with anyio.move_on_after(round_s):
                async with anyio.create_task_group() as group:
                    for _ in range(20):
                        group.start_soon(client.post, "/slow", {})
        with anyio.fail_after(5):
            replies = [await client.post("/fast", {}) for _ in range(5)]

    assert [reply.status for reply in replies] == [200] * 5


async def test_a_server_that_says_nothing_times_out() -> None:
    """The time is the spec's requestTimeout."""

    async def silent(connection: Connection) -> None:
        await connection.request()
        await asyncio.sleep(60)

    error = await failure(silent, requestTimeout="100ms")

    assert isinstance(error, InferenceTimeout)
    assert "did not answer in time" in error.message


async def test_redirects_are_not_followed() -> None:
    """The key would go along to the other server."""

    async def elsewhere(connection: Connection) -> None:
        await connection.request()
        await connection.send(response(302, location="http://127.0.0.1:1/"))

    async with serving(elsewhere) as server, client_of(server.spec()) as client:
        reply = await client.post("/x", {})

    assert reply.status == 302


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the spec names a proxy."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with serving(answer_all) as server, client_of(server.spec()) as client:
        assert (await client.get("/")).status == 200


async def test_the_proxy_of_the_spec_is_asked_for_the_provider() -> None:
    """It is asked with the provider's whole address."""
    async with serving(answer_all) as proxy:
        spec = proxy.spec(
            baseURL="http://ollama.ai.svc:11434/v1", proxyURL=f"http://127.0.0.1:{proxy.port}"
        )
        async with client_of(spec) as client:
            await client.get("/models")

    assert proxy.requests[0].startswith(b"GET http://ollama.ai.svc:11434/v1/models HTTP/1.1\r\n")


async def test_no_log_holds_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """This holds even at the most talkative level."""
    caplog.set_level(logging.DEBUG)
    async with serving(answer_all) as server, client_of(server.spec()) as client:
        await client.get("/")

    assert caplog.records
    assert "secret" not in caplog.text
