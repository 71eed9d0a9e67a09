"""Connections to one provider: where they may lead, and what is done about one that went stale.

This stands between httpx2's client and httpcore2's pools, and uses both as they are. How much of a
reply is read is decided in `network.py` and `body.py`.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpcore2
import httpx2

from capscan.inference.api.address import BASE_URL, PROXY_URL, forbidden
from capscan.inference.api.body import BoundedBody, check_head
from capscan.inference.api.host import is_forbidden
from capscan.inference.api.network import BoundedNetwork, BoundedStream

STALE_S_MAX = 0.5
"""The time in which a connection breaks that was closed before the request came: a round trip."""
KEEPALIVE_S = 30.0
"""How long an idle connection is kept: shorter than load balancers in front of providers do."""


@dataclass(slots=True)
class RequestTrace:
    """Learns from httpcore2's trace extension what happened on the way of one request.

    The peer's address is checked after the connection stands and before a byte is sent on it: an
    answer of DNS cannot change any more.
    """

    host: str
    """The host that is dialled: the provider's, or its proxy's."""
    field: str = BASE_URL
    """The field of the spec that leads to it."""
    fresh: bool = False
    """Whether the request went out on a connection that was made for it."""

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self.fresh = True
            stream = info["return_value"]
            peer = stream.get_extra_info("server_addr")
            if peer and is_forbidden(str(peer[0])):
                await stream.aclose()
                raise forbidden(f"{self.host} ({peer[0]})", self.field)


class ProviderTransport(httpx2.AsyncBaseTransport):
    """A pool of connections, and a way past it.

    A server may close an idle connection at the moment a request goes out on it. It has not looked
    at the request then, and the connection breaks at once. So the request is sent again, once, on
    a connection that was not in the pool. A request that breaks later may have been worked on.
    """

    def __init__(self, context: ssl.SSLContext, proxy_url: str | None) -> None:
        self._proxy = httpx2.URL(proxy_url) if proxy_url else None
        network = BoundedNetwork()
        self._pooled = _pool(context, self._proxy, network, idle_max=None)
        self._unpooled = _pool(context, self._proxy, network, idle_max=0)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        seen, began_s = self._trace(request), anyio.current_time()
        request.extensions = {**request.extensions, "trace": seen.trace}
        try:
            return await _send(self._pooled, request)
        except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
            if seen.fresh or anyio.current_time() - began_s > STALE_S_MAX:
                raise
        return await _send(self._unpooled, request)

    async def aclose(self) -> None:
        await self._pooled.aclose()
        await self._unpooled.aclose()

    def _trace(self, request: httpx2.Request) -> RequestTrace:
        if self._proxy:
            return RequestTrace(self._proxy.host, PROXY_URL)
        return RequestTrace(request.url.host)


async def _send(pool: httpcore2.AsyncConnectionPool, request: httpx2.Request) -> httpx2.Response:
    """Return the response as soon as its head is there. Raises what httpx2 raises, InvalidAnswer,
    and what a trace raises.
    """
    with _translated():
        response = await pool.handle_async_request(
            httpcore2.Request(
                method=request.method,
                url=_url(request.url),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
    stream = response.extensions["network_stream"]
    if isinstance(stream, BoundedStream):
        stream.expect_body()
    taken = httpx2.Response(
        status_code=response.status,
        headers=response.headers,
        stream=BoundedBody(response, _translated),
        extensions=response.extensions,
    )
    try:
        check_head(taken.headers)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await response.aclose()
        raise
    return taken


def _pool(
    context: ssl.SSLContext, proxy: httpx2.URL | None, network: BoundedNetwork, idle_max: int | None
) -> httpcore2.AsyncConnectionPool:
    options: dict[str, Any] = {
        "ssl_context": context,
        "max_connections": None,
        "max_keepalive_connections": idle_max,
        "keepalive_expiry": KEEPALIVE_S,
        "http1": True,
        "http2": False,
        "network_backend": network,
    }
    if proxy is None:
        return httpcore2.AsyncConnectionPool(**options)
    tls = context if proxy.scheme == "https" else None
    return httpcore2.AsyncHTTPProxy(proxy_url=_url(proxy), proxy_ssl_context=tls, **options)


def _url(url: httpx2.URL) -> httpcore2.URL:
    return httpcore2.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )


@contextmanager
def _translated() -> Iterator[None]:
    """Raise httpcore2's errors as httpx2's, which have the same names."""
    try:
        yield
    except (
        httpcore2.TimeoutException,
        httpcore2.NetworkError,
        httpcore2.ProtocolError,
        httpcore2.ProxyError,
        httpcore2.UnsupportedProtocol,
    ) as error:
        raise getattr(httpx2, type(error).__name__)(str(error)) from error
