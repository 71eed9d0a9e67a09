"""Sends one request to the API server once, with fresh credentials, and translates its errors.

It uses the transport of kubernetes.aio (configuration, credentials, TLS) with raw JSON: the
generated methods would parse every schema of every CRD into models. What to do about an error is
decided in `patience.py` and by the callers.
"""

import json
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

import aiohttp
import anyio
from kubernetes.aio.client import ApiClient
from kubernetes.aio.client.rest import RESTResponse

from capscan.core.errors import (
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KubeError,
    NoCluster,
    NotFound,
    NotServed,
    ServerError,
    Unavailable,
)
from capscan.kube.config import ClusterSettings, Credentials, credentials, load_configuration

Json = dict[str, Any]
AnswerT = TypeVar("AnswerT")

REQUEST_TIMEOUT_S = 30
_IN_TIME = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)

_ERRORS: Mapping[int, type[KubeError]] = {
    400: Invalid,
    404: NotFound,
    409: Conflict,
    410: Expired,
    413: Invalid,
    422: Invalid,
}
_PASSING = frozenset({401, 408, 429})
"""Refusals that may pass by themselves; any other 4xx would come again."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. A `body` that is text is sent as it is, any other one as JSON."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json | list[Json] | str | None = None
    accept: str = "application/json"
    content_type: str = "application/json"


class Transport:
    """One connection pool to one cluster."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self._api: ApiClient | None = None
        self._in_flight: Counter[ApiClient] = Counter()
        self._renewing = anyio.Lock()

    async def connect(self) -> None:
        """Load the configuration; raises NoCluster. Nothing is sent yet."""
        self._api = await self._new_api()

    async def close(self) -> None:
        """Close all connections."""
        if self._api:
            await self._api.close()

    async def login(self) -> Credentials:
        """Return freshly read credentials for another client, as the same user."""
        return credentials(await load_configuration(self._settings))

    async def send(self, request: Request) -> Json:
        """Return the object that came back. Raises KubeError."""
        return await self._held(request, self._send_by)

    async def send_for_bytes(self, request: Request) -> bytes:
        """Return what came back as it is. Raises KubeError."""
        return await self._held(request, self._send_for_bytes_by)

    async def knock(self, request: Request) -> Json:
        """Begin a watch and close it at once. Raises KubeError where a watch would be refused."""
        return await self._held(request, self._knock_by)

    async def stream(self, request: Request, *, silence_s: float) -> AsyncGenerator[Json]:
        """Yield the objects of a watch, one a line, until the server ends it. Raises KubeError, and
        Unavailable where nothing is sent for `silence_s` seconds.
        """
        api = self._api
        if api is None:
            raise RuntimeError("connect() comes first")
        timeout = aiohttp.ClientTimeout(total=None, connect=REQUEST_TIMEOUT_S, sock_read=silence_s)
        self._in_flight[api] += 1
        response: RESTResponse | None = None
        try:
            response = await self._open(api, request, timeout)
            async for line in response.response.content:
                yield _parse(line)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        finally:
            if response:
                _cut(response.response)
            self._in_flight[api] -= 1
            await self._close_if_stale(api)

    async def _held(
        self, request: Request, send: Callable[[ApiClient, Request], Awaitable[AnswerT]]
    ) -> AnswerT:
        """Send over connections that stay open until the answer is there, even where another
        request is told meanwhile that the credentials have expired.
        """
        api = self._api
        if api is None:
            raise RuntimeError("connect() comes first")
        self._in_flight[api] += 1
        try:
            return await send(api, request)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        finally:
            self._in_flight[api] -= 1
            await self._close_if_stale(api)

    async def _send_by(self, api: ApiClient, request: Request) -> Json:
        return _parse(await (await self._open(api, request, _IN_TIME)).read())

    async def _send_for_bytes_by(self, api: ApiClient, request: Request) -> bytes:
        return bytes(await (await self._open(api, request, _IN_TIME)).read())

    async def _knock_by(self, api: ApiClient, request: Request) -> Json:
        (await self._open(api, request, _IN_TIME)).response.close()
        return {}

    async def _open(
        self, api: ApiClient, request: Request, timeout: aiohttp.ClientTimeout
    ) -> RESTResponse:
        """Return a response whose head was read. Raises KubeError where that is a refusal."""
        arguments = await api.param_serialize(
            request.method,
            request.path,
            query_params=list(request.query.items()),
            header_params={"Accept": request.accept, "Content-Type": request.content_type},
            body=request.body,
            auth_settings=["BearerToken"],
        )
        response: RESTResponse = await api.call_api(*arguments, _request_timeout=timeout)
        if response.status >= 300:
            data = await response.read()
            if response.status == 401:
                await self._renew_credentials(api)
            _raise(response.status, response.headers.get("Retry-After"), data)
        return response

    async def _renew_credentials(self, refused: ApiClient) -> None:
        """Read the credentials again, once for all requests that were refused together: a 401 means
        an expired token or a rotated certificate.
        """
        async with self._renewing:
            if self._api is not refused:
                return
            try:
                self._api = await self._new_api()
            except NoCluster as error:  # the file is being written, or its exec plugin failed
                raise Unavailable(str(error)) from error

    async def _new_api(self) -> ApiClient:
        try:
            api = ApiClient(await load_configuration(self._settings))
        except OSError as error:  # also what ssl raises over a CA or a key that is none
            raise NoCluster(
                f"the certificates of the kubeconfig cannot be used: {error}"
            ) from error
        api.user_agent = "capscan"
        return api

    async def _close_if_stale(self, api: ApiClient) -> None:
        """Close the connections of old credentials, once the last request on them has ended."""
        if api is not self._api and not self._in_flight[api]:
            del self._in_flight[api]
            with anyio.CancelScope(shield=True):
                await api.close()


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
