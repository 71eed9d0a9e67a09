"""The port, with a plain client: what comes over a real connection, and what does not."""

import asyncio
import json
import shutil
import ssl
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import (
    ClientConnectionError,
    ClientConnectorError,
    ClientPayloadError,
    ClientSession,
    ServerDisconnectedError,
    TCPConnector,
)

from tests.modelserver.behaviour import Behaviour
from tests.modelserver.questions import ANTHROPIC, NAME, OPENAI, ask, chat, message
from tests.modelserver.server import ModelServer

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"


def serving(**behaviour: Any) -> ModelServer:
    """Return a server that behaves so."""
    return ModelServer(Behaviour.model_validate(behaviour))


def faulty(kind: str, **other: Any) -> ModelServer:
    """Return a server with this fault."""
    return serving(faults=[{"kind": kind, **other}])


async def test_both_protocols_answer_on_one_port() -> None:
    """Each has its own headers and content type."""
    async with serving() as server, ClientSession(server.url) as client:
        answer = await client.post("/v1/messages", json=message(), headers=ANTHROPIC)
        assert answer.status == 200
        assert answer.content_type == "application/json"
        assert answer.headers["request-id"]
        assert (await answer.json())["type"] == "message"
        answer = await client.post(CHAT, json=chat(), headers=OPENAI)
        assert (await answer.json())["object"] == "chat.completion"

        assert server.ledger.asked(NAME) == server.ledger.answered(NAME) == 2
        assert server.ledger.statuses() == {200: 2}
        assert [call.protocol for call in server.ledger.calls] == ["anthropic", "openai"]


async def test_models_are_told_in_the_callers_protocol() -> None:
    """All, one, and none of that name; without a key, nothing."""

    async def models(client: ClientSession, name: str, headers: Mapping[str, str]) -> Any:
        answer = await client.get(f"/v1/models{name}", headers=headers)
        return answer.status, await answer.json()

    async with (
        serving(keys=["sk-1"], models=["a/b"]) as server,
        ClientSession(server.url) as client,
    ):
        assert (await models(client, "", ANTHROPIC))[1]["first_id"] == "a/b"
        assert (await models(client, "", OPENAI))[1]["object"] == "list"
        assert (await models(client, "/a/b", OPENAI))[1]["object"] == "model"
        status, body = await models(client, "/x", ANTHROPIC)
        assert (status, body["error"]["type"]) == (404, "not_found_error")
        status, body = await models(client, "/x", OPENAI)
        assert (status, body["error"]["code"]) == (404, "model_not_found")
        assert (await models(client, "", {}))[0] == 401


async def test_answers_take_their_time_side_by_side() -> None:
    """Twenty at once take as long as one."""
    async with serving(latency={"mean_s": 1.0}) as server:
        began_at = time.monotonic()
        async with anyio.create_task_group() as group:
            for index in range(20):
                group.start_soon(ask, server.url, f"a{index}.b.c")
        took_s = time.monotonic() - began_at

        assert 1.0 <= took_s < 2.0
        assert server.ledger.max_in_flight == 20
        assert all(call.latency_s >= 1.0 for call in server.ledger.calls)


async def test_a_hang_lasts_until_the_client_goes() -> None:
    """Its place in flight is free then."""
    async with faulty("hang") as server:
        await server.change(in_flight_max=1)
        with anyio.move_on_after(0.1) as given_up:
            await ask(server.url)
        assert given_up.cancelled_caught
        await client_is_gone(server)

        assert (server.ledger.calls[0].status, server.ledger.answered(NAME)) == (0, 0)
        await server.change(faults=[])
        assert (await ask(server.url))[0] == 200


async def client_is_gone(server: ModelServer) -> None:
    """Wait until the server has seen that the client went."""
    with anyio.fail_after(2):
        while not server.ledger.calls[0].disconnected:  # noqa: ASYNC110 - of a socket, no event
            await anyio.sleep(0.01)


async def test_a_slow_body_comes_byte_by_byte() -> None:
    """The headers are there at once, the rest one byte at a time."""
    async with faulty("slow_body", interval_s=0.001) as server, ClientSession(server.url) as client:
        began_at = time.monotonic()
        answer = await client.post(CHAT, json=chat(), headers=OPENAI)
        headers_s = time.monotonic() - began_at
        body = await answer.read()

        assert headers_s < len(body) * 0.001
        assert time.monotonic() - began_at >= len(body) * 0.001
        assert answer.content_length == len(body)
        assert json.loads(body)["choices"]


async def test_a_connection_is_cut_before_the_headers() -> None:
    """Nothing comes, and the ledger knows no status."""
    async with faulty("cut_before_headers") as server:
        with pytest.raises(ServerDisconnectedError):
            await ask(server.url)

        assert server.ledger.statuses() == {0: 1}


async def test_a_connection_is_cut_in_the_body() -> None:
    """The length was announced, half of it comes."""
    async with faulty("cut_in_body") as server, ClientSession(server.url) as client:
        answer = await client.post(CHAT, json=chat(), headers=OPENAI)
        assert answer.status == 200
        with pytest.raises(ClientPayloadError):
            await answer.read()

        assert server.ledger.answered(NAME) == 0


async def test_a_stale_connection_gives_no_answer() -> None:
    """It looked alive until it was used again; a new one is fine."""
    async with faulty("stale", times=1) as server:
        with pytest.raises(ServerDisconnectedError):
            await two_on_one_connection(server)

        assert [call.whole for call in server.ledger.calls] == [True, False]
        assert (await ask(server.url))[0] == 200


async def two_on_one_connection(server: ModelServer) -> None:
    """The client is a raw one, since aiohttp's own tries again by itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for _ in range(2):
            body = json.dumps(chat()).encode()
            head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            if not (status := await reader.readline()):
                raise ServerDisconnectedError
            assert status.startswith(b"HTTP/1.1 200")
            headers = await reader.readuntil(b"\r\n\r\n")
            assert b"connection: close" not in headers.lower()
            length = int(headers.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
    finally:
        writer.close()


async def test_a_connection_closes_without_a_word() -> None:
    """The answer was whole, and did not say so."""
    async with faulty("close_after") as server:
        with pytest.raises((ServerDisconnectedError, ConnectionError)):
            await two_on_one_connection(server)

        assert server.ledger.answered(NAME) == 1


async def test_html_and_text_come_with_200() -> None:
    """A login page, and something that only says it is JSON."""
    async with faulty("html") as server, ClientSession(server.url) as client:
        answer = await client.post(CHAT, json=chat(), headers=OPENAI)
        assert (answer.status, answer.content_type) == (200, "text/html")
        await server.change(faults=[{"kind": "not_json"}])
        answer = await client.post(CHAT, json=chat(), headers=OPENAI)
        assert (answer.status, answer.content_type) == (200, "application/json")
        with pytest.raises(ValueError, match="Expecting value"):
            json.loads(await answer.text())


async def test_a_huge_answer_can_be_given_up() -> None:
    """A hundred megabytes, of which the client takes one."""
    async with faulty("huge") as server, ClientSession(server.url) as client:
        answer = await client.post(CHAT, json=chat(), headers=OPENAI)
        assert answer.content_length is None
        await answer.content.readexactly(1024 * 1024)
        answer.close()
        await client_is_gone(server)


async def test_a_huge_answer_has_its_size() -> None:
    """The size is as told, to the chunk."""
    async with faulty("huge", size_bytes=10_000_000) as server:
        _, body = await ask(server.url)

        assert 9_900_000 < len(body["content"]) <= 10_000_000


async def test_a_port_refuses_for_a_while() -> None:
    """It refuses new connections and breaks old ones; then it takes them again."""
    async with serving() as server:
        await server.change(outages=[{"at_s": 0.1, "for_s": 0.3, "how": "refuse"}])
        assert (await ask(server.url))[0] == 200
        await until_it_refuses(server, True)
        await until_it_refuses(server, False)

        assert (await ask(server.url))[0] == 200


async def until_it_refuses(server: ModelServer, wanted: bool) -> None:
    """Wait until the port refuses new connections, or takes them again."""
    with anyio.fail_after(5):
        while await refuses(server) is not wanted:  # noqa: ASYNC110 - of a socket, no event
            await anyio.sleep(0.01)


async def refuses(server: ModelServer) -> bool | None:
    """Return whether the port refuses a connection; None where it broke one that it had taken."""
    try:
        await ask(server.url)
    except ClientConnectorError:
        return True
    except ClientConnectionError:
        return None
    return False


async def test_a_refused_port_takes_what_is_in_flight_with_it() -> None:
    """The client sees its connection go."""
    async with serving(latency={"mean_s": 5}) as server:
        await server.change(outages=[{"at_s": 0.1, "for_s": 5, "how": "refuse"}])
        with pytest.raises(ClientConnectionError), anyio.fail_after(2):
            await ask(server.url)
        await server.change(outages=[], latency={})

        assert (await ask(server.url))[0] == 200


async def test_behaviour_changes_over_the_port() -> None:
    """Only what is told changes; a field that nobody knows changes nothing."""
    async with serving(seed=7) as server, ClientSession(server.url) as client:
        answer = await client.post("/_control", json={"in_flight_max": 0})
        told = await answer.json()
        assert (answer.status, told["seed"], told["in_flight_max"]) == (200, 7, 0)
        assert (await ask(server.url))[0] == 503
        assert (await client.post("/_control", json={"in_flight": 3})).status == 400
        assert (await client.post("/_control", json=[])).status == 400
        assert (await (await client.get("/_control")).json())["in_flight_max"] == 0

        (call,) = await (await client.get("/_ledger")).json()
        assert (call["name"], call["status"], call["in_flight"]) == (NAME, 503, 1)


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes the certificate")
async def test_https_with_a_certificate_of_ones_own(tmp_path: Path) -> None:
    """Only a client that was given it trusts it."""
    cert, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    async with ModelServer(tls=context) as server:
        trusting = TCPConnector(ssl=ssl.create_default_context(cafile=str(cert)))
        async with ClientSession(server.url, connector=trusting) as client:
            answer = await client.post(CHAT, json=chat(), headers=OPENAI)
            assert answer.status == 200
        with pytest.raises(ClientConnectorError):
            await ask(server.url)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for the loopback, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(
        ["openssl", "req", "-x509", *made, *names, *files], check=True, capture_output=True
    )
    return cert, key
