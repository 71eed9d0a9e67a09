"""Connections to one provider: where they may lead, and what is done about one that went stale.

This stands between httpx2's client and its transports, and uses both as they are.
"""

import ssl
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2

from capscan.inference.api.address import forbidden
from capscan.inference.api.host import is_forbidden

STALE_S_MAX = 0.5
"""The time in which a connection breaks that was closed before the request came: a round trip."""
KEEPALIVE_S = 30.0
"""How long an idle connection is kept: shorter than load balancers in front of providers do."""


@dataclass(slots=True)
class RequestTrace:
    """Learns from httpx2's trace extension what happened on the way of one request.

    The peer's address is checked after the connection stands and before a byte is sent on it: an
    answer of DNS cannot change any more.
    """

    host: str
    fresh: bool = False
    """Whether the request went out on a connection that was made for it."""

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self.fresh = True
            stream = info["return_value"]
            peer = stream.get_extra_info("server_addr")
            if peer and is_forbidden(str(peer[0])):
                await stream.aclose()
                raise forbidden(f"{self.host} ({peer[0]})")


class ProviderTransport(httpx2.AsyncBaseTransport):
    """A pool of connections, and a way past it.

    A server may close an idle connection at the moment a request goes out on it. It has not looked
    at the request then, and the connection breaks at once. So the request is sent again, once, on
    a connection that was not in the pool. A request that breaks later may have been worked on.
    """

    def __init__(self, context: ssl.SSLContext, proxy_url: str | None) -> None:
        self._pooled = _transport(context, proxy_url, idle_max=None)
        self._unpooled = _transport(context, proxy_url, idle_max=0)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        seen, began_s = RequestTrace(request.url.host), anyio.current_time()
        request.extensions = {**request.extensions, "trace": seen.trace}
        try:
            return await self._pooled.handle_async_request(request)
        except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
            if seen.fresh or anyio.current_time() - began_s > STALE_S_MAX:
                raise
        return await self._unpooled.handle_async_request(request)

    async def aclose(self) -> None:
        await self._pooled.aclose()
        await self._unpooled.aclose()


def _transport(
    context: ssl.SSLContext, proxy_url: str | None, idle_max: int | None
) -> httpx2.AsyncHTTPTransport:
    limits = httpx2.Limits(
        max_connections=None, max_keepalive_connections=idle_max, keepalive_expiry=KEEPALIVE_S
    )
    proxy = None
    if proxy_url:
        tls = context if proxy_url.lower().startswith("https:") else None
        proxy = httpx2.Proxy(proxy_url, ssl_context=tls)
    return httpx2.AsyncHTTPTransport(
        verify=context, trust_env=False, http1=True, http2=False, limits=limits, proxy=proxy
    )
