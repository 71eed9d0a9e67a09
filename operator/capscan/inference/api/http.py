"""Sends one request over HTTP to a provider, and returns one reply of bounded size.

Every failure on the way is translated in `network_errors.py`. What a status or a body means is for
`refusal.py` and the APIs. The total time of a request is bounded by the caller, who cancels it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from capscan.core.errors import InvalidAnswer
from capscan.inference.api.address import checked_base_url, checked_proxy_url
from capscan.inference.api.network_errors import translated
from capscan.inference.api.transport import ProviderTransport
from capscan.inference.api.trust import trust
from capscan.model import Usage
from capscan.model.provider import ProviderSpec

REPLY_BYTES_MAX = 1024 * 1024
CONNECT_TIMEOUT_S = 10.0

Json = dict[str, Any]

_COMMENTS = re.compile(r"(?:\s*+:[^\n]*+(?:\n|\Z))*+")
"""Linear: a megabyte may be nothing but such lines."""
_PAGE_START_BYTES = 1_024
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<title", b"<body", b"<center", b"<h1")


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole response, of any status."""

    status: int
    headers: Mapping[str, str]
    """A name is found in any case."""
    body: bytes

    def json(self) -> object:
        """Return the value in the body; None where it is no JSON.

        It is read as UTF-8 alone, after lines of comments: a server that takes its time sends such.
        """
        try:
            text = self.body.decode("utf-8-sig")
            comments = _COMMENTS.match(text)
            return json.loads(text[comments.end() :] if comments else text)
        except (ValueError, RecursionError):
            return None

    @property
    def is_web_page(self) -> bool:
        """Whether it is HTML, which is what gateways and wrong addresses answer with."""
        start = _after_comments(self.body[:_PAGE_START_BYTES]).lower()
        labelled = "text/html" in self.headers.get("content-type", "").lower()
        return start.startswith(_PAGE_STARTS) or (labelled and not start.startswith((b"{", b"[")))


def _after_comments(start: bytes) -> bytes:
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    while start.startswith(b"<!--") and b"-->" in start:
        start = start.partition(b"-->")[2].lstrip()
    return start


class HttpClient:
    """Holds one account's connections. Close it with `aclose()`."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
        transport: httpx2.AsyncBaseTransport,
        secret: str = "",
    ) -> None:
        self.base_url = base_url
        self._secret = secret
        self._client = httpx2.AsyncClient(
            transport=transport,
            headers={"user-agent": "capscan", "accept-encoding": "identity", **headers},
            timeout=httpx2.Timeout(
                connect=min(CONNECT_TIMEOUT_S, timeout_s),
                read=timeout_s,
                write=timeout_s,
                pool=None,  # nobody waits for a connection: the gate bounds how many there are
            ),
            trust_env=False,
            follow_redirects=False,
        )

    async def get(self, path: str) -> HttpReply:
        """Send a GET. Raises InferenceError, ProviderUnusable."""
        return await self._send("GET", path, None)

    async def post(self, path: str, body: Json) -> HttpReply:
        """Send a POST. Raises InferenceError, ProviderUnusable."""
        return await self._send("POST", path, body)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _send(self, method: str, path: str, body: Json | None) -> HttpReply:
        try:
            async with self._client.stream(method, self.base_url + path, json=body) as response:
                return HttpReply(response.status_code, response.headers, await _body(response))
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise translated(error, self.base_url, self._secret) from error


def open_http(
    spec: ProviderSpec,
    default_base_url: str,
    headers: Mapping[str, str],
    transport: httpx2.AsyncBaseTransport | None = None,
    *,
    secret: str = "",
) -> HttpClient:
    """Return a client as the spec asks for it. `transport` replaces the network, and no error
    shows `secret`.

    Raises ProviderUnusable.
    """
    base_url = checked_base_url(spec.base_url or default_base_url)
    proxy_url = checked_proxy_url(spec.proxy_url)
    context = trust(spec.ca_bundle, base_url, proxy_url)
    return HttpClient(
        base_url,
        headers,
        timeout_s=spec.request_timeout.total_seconds(),
        transport=transport or ProviderTransport(context, proxy_url),
        secret=secret,
    )


async def _body(response: httpx2.Response) -> bytes:
    read = bytearray()
    async for chunk in response.aiter_bytes():
        read += chunk
        if len(read) > REPLY_BYTES_MAX:
            raise InvalidAnswer(
                f"the reply is longer than {REPLY_BYTES_MAX} bytes", usage=Usage(requests=1)
            )
    return bytes(read)
