"""A server on loopback that says bytes as a test wants them, well-formed or not."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from capscan.model.provider import ProviderSpec

Serve = Callable[["Connection"], Awaitable[None]]


def response(status: int = 200, body: Any = None, **headers: str) -> bytes:
    """Return a whole response; text is sent as it is, all else as JSON."""
    text = body if isinstance(body, str) else json.dumps({} if body is None else body)
    given = {"Content-Length": str(len(text.encode())), "Content-Type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in given.items())]
    return ("\r\n".join(lines) + "\r\n\r\n" + text).encode()


@dataclass
class Connection:
    """One connection to the server; `number` counts from 1."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[bytes]

    async def request(self) -> bytes:
        """Return the next request, head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        whole = head + await self.reader.readexactly(length)
        self.requests.append(whole)
        return whole

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@dataclass
class Loopback:
    """What the server was asked, and where it is."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    scheme: str = "http"

    def spec(self, **options: Any) -> ProviderSpec:
        given = {"protocol": "OpenAI", "model": "m", "requestTimeout": "5s"}
        base_url = f"{self.scheme}://127.0.0.1:{self.port}/v1"
        return ProviderSpec.model_validate(given | {"baseURL": base_url} | options)


@asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[Loopback]:
    """Run a server that gives every connection to `serve`, and then closes it."""
    server = Loopback(scheme="https" if context else "http")
    tasks: set[asyncio.Task[Any]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.connections += 1
        connection = Connection(server.connections, reader, writer, server.requests)
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError
        ):
            await serve(connection)
        writer.transport.abort() if context else writer.close()
        tasks.discard(task)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def answer_all(connection: Connection) -> None:
    """Answer 200 to everything on one connection."""
    while True:
        await connection.request()
        await connection.send(response())
