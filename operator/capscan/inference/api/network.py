"""Connections that read no more of a reply than a reply may have.

An HTTP parser works for each event, however small, and gives nobody else a turn while it has bytes.
So bytes are handed to it in small pieces, one connection after the other, and a head ends after so
many, interim responses included, of which a server may send as many as it likes.
"""

import ssl
from collections.abc import Iterable
from typing import Any

import anyio
import anyio.lowlevel
import httpcore2

from capscan.core.errors import InvalidAnswer
from capscan.model import Usage

READ_BYTES = 4 * 1024
"""What is parsed before somebody else has a turn: some 700 events of a hostile reply, 5 ms."""
HEAD_BYTES_MAX = 64 * 1024
WIRE_BYTES_MAX = 4 * 1024 * 1024
"""A body of chunks, with their frames."""
_BEGINNING = b"HTTP/"


class BoundedStream(httpcore2.AsyncNetworkStream):
    """One connection, plain or over TLS, to a server or to a proxy."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream, turn: anyio.Lock) -> None:
        self._inner = inner
        self._turn = turn
        self._left = HEAD_BYTES_MAX
        self._beginnings = 0
        """How often what came since the last request looks like the beginning of a reply."""
        self._end = b""

    def expect_body(self) -> None:
        """Let a body come: the head of the reply has ended."""
        self._left = WIRE_BYTES_MAX

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come, and no more than a moment's work. Raises InvalidAnswer."""
        data = await self._inner.read(min(max_bytes, READ_BYTES), timeout)
        if len(data) == READ_BYTES:  # there may be more, here and on many connections at once
            async with self._turn:
                await anyio.lowlevel.checkpoint()
        self._left -= len(data)
        if self._left < 0:
            raise too_much("the reply's head or its frames have no end")
        self._beginnings += (self._end + data).count(_BEGINNING)
        self._end = data[-len(_BEGINNING) + 1 :]
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send a part of a request; a reply to it begins with its head."""
        self._left, self._beginnings, self._end = HEAD_BYTES_MAX, 0, b""
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Return the same connection, over TLS."""
        secured = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        return BoundedStream(secured, self._turn)

    def get_extra_info(self, info: str) -> object:
        """Return what the connection knows of itself.

        A pool asks whether an idle one `is_readable`, and drops it then: more came than one reply.
        What the parser has read of that already is counted here, or it would be taken for the reply
        to the next question. A reply that speaks of HTTP costs no more than a new connection.
        """
        if info == "is_readable" and self._beginnings > 1:
            return True
        return self._inner.get_extra_info(info)


class BoundedNetwork(httpcore2.AsyncNetworkBackend):
    """Opens connections to one provider."""

    def __init__(self) -> None:
        self._inner = httpcore2.AnyIOBackend()
        self._turn = anyio.Lock()
        """Held for one step of the event loop by whoever is handed a whole piece."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect. Raises what httpcore2 raises."""
        stream = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return BoundedStream(stream, self._turn)

    async def sleep(self, seconds: float) -> None:
        """Wait before another attempt; there is none here."""
        await self._inner.sleep(seconds)


def too_much(what: str) -> InvalidAnswer:
    """Return the error of a reply that was cut off; it may have been paid."""
    return InvalidAnswer(what, usage=Usage(requests=1))
