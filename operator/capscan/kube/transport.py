"""Sends one request to the API server once, as a user who is known, and translates its errors.

Who the user is and that credentials stay fresh is `login.py`'s work, what a connection is like
`session.py`'s. What to do about an error is decided in `patience.py` and by the callers.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import aiohttp
import anyio
from aiohttp.http_exceptions import HttpProcessingError

from capscan.core.kube_errors import (
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KubeError,
    NotFound,
    NotServed,
    ServerError,
    Unavailable,
)
from capscan.kube.config import ClusterSettings, load_credentials
from capscan.kube.credentials import Credentials
from capscan.kube.login import Login
from capscan.kube.session import open_session, tls_of

Json = dict[str, Any]

REQUEST_TIMEOUT_S = 30
REPLY_BYTES_MAX = 16 * 2**20
"""etcd holds 1.5 MiB an object; escaped as JSON that may be six times as much."""
LINE_BYTES_MAX = REPLY_BYTES_MAX
"""One object, in a line of a watch."""
_IN_TIME = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
_BROKEN = (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError, ValueError)
"""What a session raises over connections and over answers that are no HTTP."""

_ERRORS: Mapping[int, type[KubeError]] = {
    400: Invalid,
    404: NotFound,
    405: NotServed,
    409: Conflict,
    410: Expired,
    413: Invalid,
    422: Invalid,
}
_PASSING = frozenset({401, 408, 429})
"""Refusals that may pass by themselves; any other 4xx would come again."""


class ReplyTooLarge(Invalid):
    """The answer is larger than what is read of one; `client.py` asks for smaller pages."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. A `body` that is text is sent as it is, any other one as JSON."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json | list[Json] | str | None = None
    accept: str = "application/json"
    content_type: str = "application/json"
    bytes_max: int = REPLY_BYTES_MAX
    """A reply that is larger is not read to its end."""


@dataclass(slots=True, eq=False)
class _Line:
    """A session and the credentials that its connections were made with."""

    credentials: Credentials
    session: aiohttp.ClientSession
    in_flight: int = 0


class Transport:
    """One connection pool to one cluster."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self._login = Login(self._load)
        self._line: _Line | None = None

    async def connect(self) -> None:
        """Load the configuration; raises NoCluster. Nothing is sent yet."""
        await self._line_for(await self._login.first())

    async def close(self) -> None:
        """Close all connections."""
        if self._line:
            await self._line.session.close()

    async def login(self, refused: Credentials | None) -> Credentials:
        """Return fresh credentials for another client, as the same user; others than those that the
        API server has `refused`. Raises Unavailable.
        """
        if refused:
            await self._login.refused(refused)
        return await self._login.current()

    async def send(self, request: Request) -> Json:
        """Return the object that came back. Raises KubeError."""
        async with self._opened(request, _IN_TIME) as response:
            return _parse(await _body(response, request.bytes_max))

    async def send_for_bytes(self, request: Request) -> bytes:
        """Return what came back as it is. Raises KubeError."""
        async with self._opened(request, _IN_TIME) as response:
            return await _body(response, request.bytes_max)

    async def knock(self, request: Request) -> Json:
        """Begin a watch and close it at once. Raises KubeError where a watch would be refused."""
        async with self._opened(request, _IN_TIME):
            return {}

    async def stream(self, request: Request, *, silence_s: float) -> AsyncGenerator[Json]:
        """Yield the objects of a watch, one a line, until the server ends it. Raises KubeError, and
        Unavailable where nothing is sent for `silence_s` seconds.
        """
        timeout = aiohttp.ClientTimeout(total=None, connect=REQUEST_TIMEOUT_S, sock_read=silence_s)
        async with self._opened(request, timeout) as response:
            try:
                while line := await response.content.readuntil(max_size=LINE_BYTES_MAX):
                    yield _parse(line)
            finally:
                _cut(response)

    @asynccontextmanager
    async def _opened(
        self, request: Request, timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send over connections that stay open until the block ends, even where another request is
        told meanwhile that the credentials have expired. Raises KubeError where there is no answer,
        or where it is a refusal; what the block raises over a broken connection is translated too.
        """
        credentials = await self._login.current()
        line = await self._line_for(credentials)
        line.in_flight += 1
        response: aiohttp.ClientResponse | None = None
        try:
            response = await _ask(line.session, credentials, request, timeout)
            await self._check(response, credentials)
            yield response
        except _BROKEN as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        finally:
            if response is not None:
                response.close()
            line.in_flight -= 1
            await self._close_if_left(line)

    async def _check(self, response: aiohttp.ClientResponse, credentials: Credentials) -> None:
        """Raise KubeError where the response is a refusal, once the credentials are read again
        that may be the reason.
        """
        if response.status < 300:
            self._login.accepted(credentials)
            return
        data = await _body(response, REPLY_BYTES_MAX)
        if response.status == 401:
            await self._login.refused(credentials)
        _raise(response.status, response.headers.get("Retry-After"), data)

    async def _load(self) -> Credentials:
        """Read credentials whose certificates can be used. Raises NoCluster."""
        found = await load_credentials(self._settings)
        if not (self._line and self._line.credentials.same_way(found)):
            tls_of(found)
        return found

    async def _line_for(self, credentials: Credentials) -> _Line:
        """Return connections that serve these credentials."""
        before = self._line
        if before and before.credentials.same_way(credentials):
            return before
        session = open_session(credentials, tls_of(credentials))
        self._line = _Line(credentials, session)
        if before:
            await self._close_if_left(before)
        return self._line

    async def _close_if_left(self, line: _Line) -> None:
        """Close old connections, once the last request on them has ended."""
        if line is not self._line and not line.in_flight:
            with anyio.CancelScope(shield=True):
                await line.session.close()


async def _ask(
    session: aiohttp.ClientSession,
    credentials: Credentials,
    request: Request,
    timeout: aiohttp.ClientTimeout,
) -> aiohttp.ClientResponse:
    """Return a response whose head was read."""
    headers = {"Accept": request.accept, "Content-Type": request.content_type}
    if credentials.authorization:
        headers["Authorization"] = credentials.authorization
    body = request.body
    return await session.request(
        request.method,
        credentials.server + request.path,
        params=request.query,
        headers=headers,
        data=body if body is None or isinstance(body, str) else json.dumps(body),
        timeout=timeout,
        allow_redirects=False,
    )


async def _body(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    """Return the whole reply. Raises ReplyTooLarge instead of holding more than is allowed."""
    found = bytearray()
    async for chunk in response.content.iter_any():
        found += chunk
        if len(found) > bytes_max:
            _cut(response)
            raise ReplyTooLarge(f"the API server's reply is larger than {bytes_max // 2**20} MiB")
    return bytes(found)


def _cut(response: aiohttp.ClientResponse) -> None:
    """End the connection now. A polite end of TLS would keep the socket until the other side
    agrees, and nobody waits for that: the connector has let go of it before it is closed.
    """
    if response.connection and response.connection.transport:
        response.connection.transport.abort()
    response.close()


def _parse(data: bytes) -> Json:
    try:
        parsed = json.loads(data)
    except ValueError as error:
        raise Unavailable(f"the API server's answer is not JSON: {data[:80]!r}") from error
    if not isinstance(parsed, dict):
        raise Unavailable(f"the API server's answer is no object: {data[:80]!r}")
    return parsed


def error_of(status: Json) -> KubeError:
    """Return the error that a watch sent in the place of an event."""
    code, message = int(status.get("code") or 500), str(status.get("message") or "no reason given")
    if kind := _ERRORS.get(code):
        return kind(message)
    return ServerError(f"the watch was ended with {code}: {message}")


def _raise(status: int, retry_after: str | None, data: bytes) -> NoReturn:
    try:
        answer = json.loads(data)
        message, details = str(answer["message"]), answer.get("details") or {}
    except (ValueError, KeyError, TypeError, AttributeError):
        message, details = data[:200].decode(errors="replace").strip(), {}
    if status == 404 and not details.get("name"):
        raise NotServed(message)
    if 300 <= status < 400:
        raise Unavailable(f"{status}: it sends elsewhere, where no credentials are sent to")
    if status == 500 and "request is too large" in message:
        raise Invalid(message)
    if status == 403:
        raise _refusal(message)
    if kind := _ERRORS.get(status):
        raise kind(message)
    if status < 500 and status not in _PASSING:
        raise Invalid(f"{status}: {message}")
    after_s = float(retry_after) if retry_after and retry_after.isdecimal() else None
    if status == 401:
        message = f"it refuses the credentials ({message})"
    if status >= 500 and status != 503:
        raise ServerError(f"the API server answered {status}: {message}")
    raise Unavailable(f"{status}: {message}", retry_after_s=after_s)


def _refusal(message: str) -> KubeError:
    """Return what a 403 means. It comes from RBAC, from admission, or because a kind is being
    deleted; only the first is mended by a permission. They are told apart by the words of the API
    server's own plugins, of webhooks and of ValidatingAdmissionPolicies.
    """
    if "is terminating" in message:
        return NotServed(message)
    if any(word in message for word in (" denied ", "exceeded quota", "violates ")):
        return Invalid(message)
    return Forbidden(message)
