"""The Kubernetes API in the few verbs that capscan uses; errors are translated here and only here.

Built on the transport of kubernetes.aio (configuration, credentials, TLS) and on raw JSON: the
generated methods would parse every schema of every CRD into models. Calls are patient: while the
API server is away they wait and try again, for as long as the caller lets them. That is safe
because each of them may be repeated: reads, server-side applies, deletes by UID, and merge
patches that carry a resourceVersion.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import aiohttp
import anyio
import tenacity
from kubernetes.aio.client import ApiClient

from capscan.core.errors import (
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KubeError,
    NoCluster,
    NotFound,
    NotServed,
    Unavailable,
)
from capscan.kube.config import ClusterSettings, Credentials, credentials, load_configuration
from capscan.model.capability import FIELD_MANAGER

logger = logging.getLogger(__name__)

Json = dict[str, Any]

REQUEST_TIMEOUT_S = 30
WARM_UP_S = 20.0
"""An API server that was away refuses permissions and does not know its kinds for some seconds
after it is back (measured: 403 and 404 from an otherwise willing server)."""

PAGE_ITEMS_MAX = 500
BACKOFF_CAP_S = 10.0

_APPLY_PATCH = "application/apply-patch+yaml; charset=utf-8"
"""With the charset, the transport sends text as it is instead of making JSON of it once more."""
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_ERRORS: Mapping[int, type[KubeError]] = {
    400: Invalid,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    413: Invalid,
    422: Invalid,
}
_PASSING = frozenset({401, 408, 429})
"""Refusals that may not last; any other 4xx would come again."""


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json | str | None = None
    accept: str = "application/json"
    content_type: str = "application/json"


class KubeClient:
    """One connection pool to one cluster."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self._api: ApiClient | None = None
        self._in_flight: Counter[ApiClient] = Counter()
        self._renewing = anyio.Lock()
        self._last_absence_s = float("-inf")

    async def connect(self) -> None:
        """Load the configuration; raises NoCluster. Nothing is sent yet."""
        self._api = await self._new_api()

    async def close(self) -> None:
        """Close all connections."""
        if self._api:
            await self._api.close()

    async def login(self) -> Credentials:
        """Freshly read credentials for another client, as the same user."""
        return credentials(await load_configuration(self._settings))

    async def get(self, path: str) -> Json:
        """One object. Raises NotFound, Forbidden."""
        return await self._patiently(_Request("GET", path))

    async def list_metadata(self, path: str) -> list[Json]:
        """Every object's metadata, read in pages; starts over when a continue token expires."""
        while True:
            try:
                return await self._list_pages(path)
            except Expired:
                logger.info("The listing of %s outlived its continue token; starting over.", path)

    async def _list_pages(self, path: str) -> list[Json]:
        items: list[Json] = []
        token = ""
        while True:
            query = {"limit": str(PAGE_ITEMS_MAX)} | ({"continue": token} if token else {})
            page = await self._patiently(_Request("GET", path, query, accept=_METADATA_LIST))
            items += (item["metadata"] for item in page["items"] or ())  # null where empty
            token = page["metadata"].get("continue", "")
            if not token:
                return items

    async def list_objects(self, path: str) -> list[Json]:
        """Every object in full: for kinds of which there are few."""
        return (await self._patiently(_Request("GET", path)))["items"] or []

    async def apply(self, path: str, body: Json) -> Json:
        """Server-side apply; conflicts over fields are won. Raises Invalid, Forbidden, NotFound."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._patiently(
            _Request("PATCH", path, query, _as_yaml(body), content_type=_APPLY_PATCH)
        )

    async def merge_patch(self, path: str, body: Json) -> Json:
        """Merge patch. `body` must carry metadata.resourceVersion, or a repeat could undo
        somebody else's write. Raises Conflict, NotFound, Forbidden, Invalid.
        """
        return await self._patiently(
            _Request("PATCH", path, body=body, content_type="application/merge-patch+json")
        )

    async def delete(self, path: str, uid: str) -> None:
        """Delete exactly the object with this UID; one that is gone or another is left alone."""
        try:
            body = {"preconditions": {"uid": uid}}
            await self._patiently(_Request("DELETE", path, body=body))
        except (NotFound, Conflict):
            logger.debug("%s with UID %s is gone already.", path, uid)

    async def _patiently(self, request: _Request) -> Json:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(self._will_pass),
            wait=_pause,
            sleep=anyio.sleep,
            before_sleep=_log_absence,
        )
        return await retrying(self._send, request)

    def _will_pass(self, error: BaseException) -> bool:
        now_s = anyio.current_time()
        if isinstance(error, Unavailable):
            self._last_absence_s = now_s
            return True
        warming_up = now_s - self._last_absence_s < WARM_UP_S
        return warming_up and isinstance(error, Forbidden | NotServed)

    async def _send(self, request: _Request) -> Json:
        api = self._api
        if api is None:
            raise RuntimeError("connect() comes first")
        self._in_flight[api] += 1
        try:
            return await self._send_by(api, request)
        finally:
            self._in_flight[api] -= 1
            await self._close_if_stale(api)

    async def _send_by(self, api: ApiClient, request: _Request) -> Json:
        arguments = await api.param_serialize(
            request.method,
            request.path,
            query_params=list(request.query.items()),
            header_params={"Accept": request.accept, "Content-Type": request.content_type},
            body=request.body,
            auth_settings=["BearerToken"],
        )
        try:
            response = await api.call_api(
                *arguments, _request_timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
            )
            data = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        if response.status >= 300:
            if response.status == 401:
                await self._renew_credentials(api)
            _raise(response.status, response.headers.get("Retry-After"), data)
        return _parse(data)

    async def _renew_credentials(self, refused: ApiClient) -> None:
        """A 401 means an expired token or a rotated certificate: read what is there now, once for
        all requests that were refused together.
        """
        async with self._renewing:
            if self._api is not refused:
                return
            try:
                self._api = await self._new_api()
            except NoCluster as error:  # being written at this moment, or its exec plugin failed
                raise Unavailable(str(error)) from error

    async def _new_api(self) -> ApiClient:
        api = ApiClient(await load_configuration(self._settings))
        api.user_agent = "capscan"
        return api

    async def _close_if_stale(self, api: ApiClient) -> None:
        """Once the last request on it has ended: closing would pull it from under the others."""
        if api is not self._api and not self._in_flight[api]:
            del self._in_flight[api]
            with anyio.CancelScope(shield=True):
                await api.close()


def _as_yaml(body: Json) -> str:
    """JSON that the API server's YAML reader takes.

    It refuses the surrogate pairs with which JSON escapes what is beyond the BMP, so characters
    go out as themselves; those that YAML does not print are escaped.
    """
    text = json.dumps(body, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _parse(data: bytes) -> Json:
    try:
        parsed = json.loads(data)
    except ValueError as error:
        raise Unavailable(f"the API server's answer is not JSON: {data[:80]!r}") from error
    if not isinstance(parsed, dict):
        raise Unavailable(f"the API server's answer is no object: {data[:80]!r}")
    return parsed


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
    if kind := _ERRORS.get(status):
        raise kind(message)
    if status < 500 and status not in _PASSING:
        raise Invalid(f"{status}: {message}")
    after_s = float(retry_after) if retry_after and retry_after.isdigit() else None
    raise Unavailable(f"{status}: {message}", retry_after_s=after_s)


_backoff = tenacity.wait_random_exponential(multiplier=0.4, max=BACKOFF_CAP_S)


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_s = error.retry_after_s if isinstance(error, Unavailable) else None
    return max(_backoff(state), asked_s or 0.0)


def _log_absence(state: tenacity.RetryCallState) -> None:
    """One line when an outage begins to be felt, then one at each further doubling."""
    if state.attempt_number & (state.attempt_number - 1) == 0 and state.attempt_number > 1:
        error = state.outcome.exception() if state.outcome else None
        logger.warning(
            "The API server is not answering (%s); trying on, %d times so far.",
            error,
            state.attempt_number,
        )
