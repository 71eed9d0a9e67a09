"""Replies that are made of too much: each ends after a bounded amount of work, and alone."""

import gzip
from collections.abc import Iterator

import pytest

from capscan.core.errors import InvalidAnswer, ProviderUnavailable
from capscan.inference.api.body import CHUNKS_MAX
from capscan.inference.api.http import HttpReply
from capscan.inference.api.network import HEAD_BYTES_MAX, WIRE_BYTES_MAX
from tests.inference.api.clients import client_of, failure
from tests.inference.api.loopback import Connection, answer_all, response, serving
from tests.inference.spent import spent

pytestmark = pytest.mark.anyio

SOCKETS_BYTES_MAX = 8 * 1024 * 1024
"""What lies in the buffers of both ends beside what was read."""


class Flood:
    """Sends the same bytes again and again until nobody reads them."""

    def __init__(self, first: bytes, again: bytes) -> None:
        self.first, self.again, self.sent = first, again, 0

    async def __call__(self, connection: Connection) -> None:
        await connection.request()
        await connection.send(self.first)
        piece = self.again * (65536 // len(self.again) or 1)
        while self.sent < 64 * 1024 * 1024:
            await connection.send(piece)
            self.sent += len(piece)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 102 Processing\r\nX-A: " + b"a" * 500 + b"\r\n\r\n"),
        (CHUNKED, b"1\r\na\r\n"),
        (CHUNKED, b"1;" + b"x" * 1000 + b"\r\na\r\n"),
    ],
    ids=["interim", "long-interim", "one-byte-chunks", "chunk-extensions"],
)
async def test_a_reply_without_end_is_cut_by_what_it_is_made_of(first: bytes, again: bytes) -> None:
    """A body of one byte in each chunk is six times as long on the wire, and an event for each."""
    flood = Flood(first, again)

    error = await failure(flood)
    assert isinstance(error, InvalidAnswer)
    assert spent(error).requests == 1
    assert flood.sent < WIRE_BYTES_MAX + SOCKETS_BYTES_MAX


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 1000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
        (CHUNKED + b"0\r\n", b"X-A: b\r\n"),
    ],
    ids=["header-fields", "one-field", "trailers"],
)
async def test_a_head_without_end_is_cut(first: bytes, again: bytes) -> None:
    """The parser cuts trailers by itself."""
    flood = Flood(first, again)

    error = await failure(flood)
    assert isinstance(error, InvalidAnswer | ProviderUnavailable)
    assert flood.sent < HEAD_BYTES_MAX + SOCKETS_BYTES_MAX


def hostile() -> Iterator[tuple[bytes, str]]:
    """Yield whole replies that are refused, and what is said of them."""
    fields = b"".join(b"Set-Cookie: a%d=b\r\n" % number for number in range(500))
    yield b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 2\r\n\r\n{}", "header fields"
    bomb = gzip.compress(gzip.compress(b"x" * 1024 * 1024))
    for name, body in (("gzip, gzip", bomb), ("br", b"{}"), ("zstd", b"{}"), ("gzip,br", bomb)):
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nContent-Length: {len(body)}"
        yield head.encode() + b"\r\n\r\n" + body, "Content-Encoding"


@pytest.mark.parametrize(("reply", "said"), list(hostile()))
async def test_a_head_that_is_no_honest_one_is_refused(reply: bytes, said: str) -> None:
    async def serve(connection: Connection) -> None:
        await connection.request()
        await connection.send(reply)

    error = await failure(serve)
    assert isinstance(error, InvalidAnswer)
    assert said in error.message


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "identity"])
async def test_a_reply_that_a_gateway_compressed_unasked_is_read(encoding: str) -> None:
    """Some do, whatever they are asked for."""
    body = b'{"a": 1}'
    packed = body if encoding == "identity" else gzip.compress(body)

    async def serve(connection: Connection) -> None:
        await connection.request()
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(packed)}"
        await connection.send(head.encode() + b"\r\n\r\n" + packed)

    async with serving(serve) as server, client_of(server.spec()) as client:
        assert (await client.post("/x", {})).json() == {"a": 1}


async def test_a_reply_of_as_many_chunks_as_a_model_writes_is_read() -> None:
    """Interim responses and trailers come with honest replies too."""
    body = b'["' + b"a" * 9000 + b'"]'

    async def serve(connection: Connection) -> None:
        for number in range(2):
            await connection.request()
            await connection.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 20 * number + CHUNKED)
            await connection.send(b"".join(b"1\r\n%c\r\n" % byte for byte in body))
            await connection.send(b"0\r\nX-Took: 1\r\n\r\n")

    async with serving(serve) as server, client_of(server.spec()) as client:
        replies = [await client.post("/x", {}), await client.post("/x", {})]
    assert len(body) < CHUNKS_MAX
    assert [reply.body for reply in replies] == [body, body]
    assert server.connections == 1


@pytest.mark.parametrize("framing", ["Content-Length: 2\r\n\r\n{}", "chunked"])
async def test_a_second_reply_behind_the_first_answers_no_other_question(framing: str) -> None:
    """A server or a gateway that is confused sends one; its connection is not used again."""
    first = f"HTTP/1.1 200 OK\r\n{framing}".encode()
    if framing == "chunked":
        first = CHUNKED + b"2\r\n{}\r\n0\r\n\r\n"

    async def serve(connection: Connection) -> None:
        await connection.request()
        await connection.send(first + response(200, {"for": "nobody"}))
        while True:
            await connection.request()
            await connection.send(response(200, {"for": "the second"}))

    async with serving(serve) as server, client_of(server.spec()) as client:
        assert (await client.post("/1", {})).json() == {}
        server_again = await client.post("/2", {})
    assert server_again.json() == {}
    assert server.connections == 2


async def test_what_was_cut_costs_its_connection_alone() -> None:
    """Other requests go on, on other connections."""

    async def serve(connection: Connection) -> None:
        if connection.number == 1:
            await Flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n")(connection)
        await answer_all(connection)

    async with serving(serve) as server, client_of(server.spec()) as client:
        with pytest.raises(InvalidAnswer):
            await client.post("/1", {})
        assert (await client.post("/2", {})).status == 200


async def test_a_proxy_is_held_to_the_same_bounds() -> None:
    """Its answer to CONNECT is a reply as well."""

    async def serve(connection: Connection) -> None:
        await connection.request()
        while True:
            await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 2000)

    async with serving(serve) as proxy:
        spec = proxy.spec(
            baseURL="https://models.example.com", proxyURL=f"http://127.0.0.1:{proxy.port}"
        )
        async with client_of(spec) as client:
            with pytest.raises(InvalidAnswer):
                await client.post("/x", {})


def test_a_megabyte_of_comment_lines_is_read_in_one_go() -> None:
    """Cutting off one line after the other copies all that is left each time."""
    lines = b":\n: busy\n\n \n" * 80_000

    assert HttpReply(200, {}, lines + b'{"a": 1}').json() == {"a": 1}
    assert HttpReply(200, {}, lines + b":").json() is None


async def test_a_reply_in_utf_16_is_no_json() -> None:
    """Whoever looks through the bytes of a reply must see what the parser sees."""

    async def serve(connection: Connection) -> None:
        body = '{"a": 1}'.encode("utf-16")
        await connection.request()
        await connection.send(response()[:-2].replace(b"Length: 2", b"Length: %d" % len(body)))
        await connection.send(body)

    async with serving(serve) as server, client_of(server.spec()) as client:
        assert (await client.post("/x", {})).json() is None
