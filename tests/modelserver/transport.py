"""How an answer goes out: whole, or as a fault has it.

Bodies are written as one piece with a Content-Length; what is cut or slow announces its whole
length, what is huge comes in chunks.
"""

from asyncio import Transport
from weakref import WeakSet

import anyio
from aiohttp import web

from tests.modelserver.faults import Fault
from tests.modelserver.protocol import Reply

_JSON = "application/json"
_HTML = b"<!doctype html><html><body><h1>Sign in to continue</h1></body></html>"
_NOT_JSON = b"upstream said: everything is fine"
_CHUNK = b"x" * 65_536

_CLOSING = {"cut_before_headers", "cut_in_body", "close_after", "stale"}

_stale: WeakSet[Transport] = WeakSet()
"""Connections that close when something more is asked on them."""


class Cut(Exception):
    """The connection was closed on purpose before the answer was whole."""


async def write(request: web.Request, reply: Reply, fault: Fault | None) -> web.StreamResponse:
    """Answer; raises Cut where the connection was closed before its answer was whole."""
    body = reply.content
    kind = fault.kind if fault else ""
    if kind in _CLOSING:
        return await _closing(request, reply, body, kind)
    if kind == "hang":
        await anyio.sleep_forever()
    if fault and kind == "slow_body":
        return await _slowly(request, reply, body, fault.interval_s)
    if fault and kind == "huge":
        return await _hugely(request, reply, fault.size_bytes)
    if kind == "html":
        return _whole(reply, _HTML, "text/html")
    return _whole(reply, _NOT_JSON if kind == "not_json" else body, reply.content_type)


def check(request: web.Request) -> None:
    """Check the connection. Raises Cut where it has gone stale."""
    if request.transport in _stale:
        raise cut(request)


def cut(request: web.Request) -> Cut:
    """Close the connection once what was written is out; return the error to raise."""
    if request.transport:
        request.transport.close()
    return Cut()


def _whole(reply: Reply, body: bytes, content_type: str) -> web.Response:
    return web.Response(
        status=reply.status, body=body, content_type=content_type, headers=reply.headers
    )


async def _begun(request: web.Request, reply: Reply, length: int | None) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_type = _JSON
    response.content_length = length
    await response.prepare(request)
    return response


async def _closing(
    request: web.Request, reply: Reply, body: bytes, kind: str
) -> web.StreamResponse:
    if kind == "cut_before_headers":
        raise cut(request)
    response = await _begun(request, reply, len(body))
    if kind == "cut_in_body":
        await response.write(body[: len(body) // 2])
        raise cut(request)
    await response.write(body)
    await response.write_eof()
    if kind == "close_after":
        cut(request)
    elif isinstance(request.transport, Transport):
        _stale.add(request.transport)
    return response


async def _slowly(
    request: web.Request, reply: Reply, body: bytes, interval_s: float
) -> web.StreamResponse:
    response = await _begun(request, reply, len(body))
    for index in range(len(body)):
        await response.write(body[index : index + 1])
        await anyio.sleep(interval_s)
    await response.write_eof()
    return response


async def _hugely(request: web.Request, reply: Reply, size_bytes: int) -> web.StreamResponse:
    """Write JSON that begins well and does not end for a long time."""
    response = await _begun(request, reply, None)
    await response.write(b'{"id": "huge", "content": "')
    for _ in range(size_bytes // len(_CHUNK)):
        await response.write(_CHUNK)
    await response.write(b'"}')
    await response.write_eof()
    return response
