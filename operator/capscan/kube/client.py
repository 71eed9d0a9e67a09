"""The Kubernetes API in the few verbs that capscan uses; patiently.

Calls are patient: while the API server is away they wait and try again, for as long as the caller
lets them. That is safe because each of them may be repeated: reads, server-side applies, deletes
by UID, merge patches that carry a resourceVersion, and JSON patches that name a UID.
"""

import json
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import anyio
import tenacity

from capscan.core.errors import (
    Conflict,
    Expired,
    Forbidden,
    NotFound,
    NotServed,
    ServerError,
    Unavailable,
)
from capscan.kube.config import ClusterSettings, Credentials
from capscan.kube.transport import Json, Request, Transport, told
from capscan.model.capability import FIELD_MANAGER

logger = logging.getLogger(__name__)

SERVER_ERROR_PATIENCE_S = 20.0
"""An answered 5xx is tried again for so long; then it is told, because somebody may have to act."""

WARM_UP_S = 20.0
"""An API server that was away refuses permissions, does not know its kinds and has no leader of its
etcd for some seconds after it is back (measured: 403 and 404 from an otherwise willing server)."""

PAGE_ITEMS_MAX = 500

WATCH_S = 1800
WATCH_SILENCE_S = 90.0
"""A watch that says nothing for so long is dead: bookmarks come every minute."""

BACKOFF_CAP_S = 10.0
ASKED_S_MAX = 60.0
"""An API server asks for a second or a few: a proxy that asks for an hour is not obeyed."""

_APPLY_PATCH = "application/apply-patch+yaml; charset=utf-8"
"""With the charset, the transport sends text as it is instead of making JSON of it once more."""
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

T = TypeVar("T")


class KubeClient:
    """One cluster, as one user."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._transport = Transport(settings)
        self._last_absence_s = float("-inf")
        self._absent_since_s: float | None = None

    async def connect(self) -> None:
        """Load the configuration; raises NoCluster. Nothing is sent yet."""
        await self._transport.connect()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def login(self) -> Credentials:
        """Freshly read credentials for another client, as the same user."""
        return await self._transport.login()

    async def get(self, path: str) -> Json:
        """One object. Raises NotFound, Forbidden."""
        return await self._patiently(Request("GET", path))

    async def list_metadata(self, path: str, take: Callable[[Json], T]) -> list[T]:
        """What `take` takes of every object's metadata.

        In pages, of which one at a time is held: managedFields alone are kilobytes an object.
        Starts over when a continue token expires.
        """
        items, _ = await self.list_metadata_at(path, take)
        return items

    async def list_metadata_at(self, path: str, take: Callable[[Json], T]) -> tuple[list[T], str]:
        """The same, and the version from which a watch goes on."""
        while True:
            try:
                return await self._list_pages(path, take)
            except Expired:
                logger.info("The listing of %s outlived its continue token; starting over.", path)

    async def watch_metadata(self, path: str, version: str) -> AsyncGenerator[tuple[str, Json]]:
        """What happens after that version: type and metadata, until the server ends the watch.

        Not patient. Raises Expired where the version is too old, and every other KubeError.
        """
        query = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_S),
        }
        request = Request("GET", path, query, accept=_METADATA)
        async with aclosing(self._transport.stream(request, silence_s=WATCH_SILENCE_S)) as lines:
            async for line in lines:
                match line:
                    case {"type": "ERROR", "object": dict(status)}:
                        raise told(status)
                    case {"type": str(type_), "object": {"metadata": dict(metadata)}}:
                        yield type_, metadata
                    case _:
                        raise Unavailable(f"no event of a watch: {str(line)[:100]}")

    async def check_watch(self, path: str) -> None:
        """Raises what a watch would be refused with: Forbidden, NotFound."""
        query = {"watch": "true", "timeoutSeconds": "1"}
        await self._patiently(Request("GET", path, query, accept=_METADATA), self._transport.knock)

    async def _list_pages(self, path: str, take: Callable[[Json], T]) -> tuple[list[T], str]:
        items: list[T] = []
        token = ""
        while True:
            query = {"limit": str(PAGE_ITEMS_MAX)} | ({"continue": token} if token else {})
            page = await self._patiently(Request("GET", path, query, accept=_METADATA_LIST))
            items += (take(item["metadata"]) for item in page["items"] or ())  # null where empty
            token = page["metadata"].get("continue", "")
            if not token:
                return items, page["metadata"].get("resourceVersion", "")

    async def list_objects(self, path: str) -> tuple[list[Json], str]:
        """Every object in full, and the version of the listing: where there are few."""
        listing = await self._patiently(Request("GET", path))
        return listing["items"] or [], listing["metadata"].get("resourceVersion", "")

    async def apply(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        """Server-side apply; conflicts over fields are won. Raises Invalid, Forbidden, NotFound,
        Conflict where somebody else wrote at the same moment.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        query |= {"dryRun": "All"} if dry_run else {}
        return await self._patiently(
            Request("PATCH", path, query, _as_yaml(body), content_type=_APPLY_PATCH)
        )

    async def create(self, path: str, body: Json) -> Json:
        """A new object, named by its body: Conflict may be the echo of a repeat. Raises Conflict,
        Forbidden, Invalid.
        """
        return await self._patiently(Request("POST", path, body=body))

    async def merge_patch(self, path: str, body: Json) -> Json:
        """Merge patch. `body` must carry metadata.resourceVersion where others write too, or a
        repeat could undo their write. Raises Conflict, NotFound, Forbidden, Invalid.
        """
        return await self._patiently(
            Request("PATCH", path, body=body, content_type="application/merge-patch+json")
        )

    async def json_patch(self, path: str, operations: list[Json]) -> Json:
        """JSON Patch (RFC 6902), of operations that may be repeated. Raises NotFound, Forbidden,
        Invalid, also where a `test` among them fails.
        """
        return await self._patiently(
            Request("PATCH", path, body=operations, content_type="application/json-patch+json")
        )

    async def delete(self, path: str, uid: str) -> None:
        """Delete exactly the object with this UID; one that is gone or another is left alone."""
        try:
            body = {"preconditions": {"uid": uid}}
            await self._patiently(Request("DELETE", path, body=body))
        except (NotFound, Conflict):
            logger.debug("%s with UID %s is gone already.", path, uid)

    async def _patiently(
        self, request: Request, send: Callable[[Request], Awaitable[Json]] | None = None
    ) -> Json:
        retrying = tenacity.AsyncRetrying(
            retry=self._will_pass,
            wait=_pause,
            sleep=anyio.sleep,
            before_sleep=self._note_absence,
            reraise=True,
        )
        return await retrying(send or self._transport.send, request)

    def _will_pass(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        now_s = anyio.current_time()
        if isinstance(error, Unavailable):
            self._last_absence_s = now_s
            return True
        if error is None:
            self._note_return(now_s)
        warming_up = now_s - self._last_absence_s < WARM_UP_S
        if isinstance(error, ServerError):
            return warming_up or (state.seconds_since_start or 0.0) < SERVER_ERROR_PATIENCE_S
        return warming_up and isinstance(error, Forbidden | NotServed)

    def _note_absence(self, state: tenacity.RetryCallState) -> None:
        """One line when an outage begins to be felt, however many requests feel it."""
        if self._absent_since_s is None and state.attempt_number > 1:
            self._absent_since_s = anyio.current_time()
            error = state.outcome.exception() if state.outcome else None
            logger.warning("The API server is not answering (%s); trying on.", error)

    def _note_return(self, now_s: float) -> None:
        if self._absent_since_s is not None:
            logger.info("The API server answers again, after %.0f s.", now_s - self._absent_since_s)
            self._absent_since_s = None


def _as_yaml(body: Json) -> str:
    """JSON that the API server's YAML reader takes.

    It refuses the surrogate pairs with which JSON escapes what is beyond the BMP, so characters
    go out as themselves; those that YAML does not print are escaped.
    """
    text = json.dumps(body, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


_backoff = tenacity.wait_random_exponential(multiplier=0.4, max=BACKOFF_CAP_S)


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_s = error.retry_after_s if isinstance(error, Unavailable) else None
    return max(_backoff(state), min(asked_s or 0.0, ASKED_S_MAX))
