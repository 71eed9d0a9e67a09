"""The Kubernetes API in the few verbs that capscan uses.

While the API server is away, a call waits and tries again: for ever, unless the client is given a
limit (`patience.py`). That is safe because each call may be repeated: reads, server-side applies,
deletes by UID, merge patches that carry a resourceVersion, and JSON patches that name a UID. What
one request looks like on the wire is in `transport.py`.
"""

import json
import logging
import math
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from capscan.core.kube_errors import Conflict, Expired, NotFound, ServerError, Unavailable
from capscan.kube.config import ClusterSettings
from capscan.kube.credentials import Credentials
from capscan.kube.patience import Patience
from capscan.kube.transport import (
    REPLY_BYTES_MAX,
    Json,
    ReplyTooLarge,
    Request,
    Transport,
    error_of,
)
from capscan.model.capability import FIELD_MANAGER

logger = logging.getLogger(__name__)

PAGE_ITEMS_MAX = 500
"""Objects in one page of a listing by metadata: a few kilobytes each, but for those that strangers
have filled with annotations."""
OBJECTS_MAX = 50
"""Objects in one page of a listing in full."""
PAGE_BYTES_MAX = 4 * 2**20
"""A page that is larger is asked for again with fewer objects: parsing it holds up the loop."""
PAGES_MAX = 100_000
"""A listing that has more pages is one that never ends."""

WATCH_S = 1800
"""After so many seconds the API server ends a watch."""
WATCH_SILENCE_S = 90.0
"""A watch that sends nothing for so long is dead: bookmarks come every minute."""

_APPLY_PATCH = "application/apply-patch+yaml; charset=utf-8"
"""With the charset, the transport sends text as it is instead of making JSON of it once more."""
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

T = TypeVar("T")


class KubeClient:
    """One cluster, as one user."""

    def __init__(self, settings: ClusterSettings, *, patience_s: float = math.inf) -> None:
        """`patience_s` is how many seconds one request waits for an API server that is away."""
        self._transport = Transport(settings)
        self._patience = Patience(patience_s)

    async def connect(self) -> None:
        """Load the configuration; raises NoCluster. Nothing is sent yet."""
        await self._transport.connect()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def login(self, refused: Credentials | None = None) -> Credentials:
        """Return credentials for another client, as the same user: others than those that the API
        server has `refused`. Waits until there are some.
        """
        return await self._patience.until_answered(lambda: self._transport.login(refused))

    async def get(self, path: str) -> Json:
        """Return one object. Raises NotFound, Forbidden."""
        return await self._send(Request("GET", path))

    async def get_bytes(self, path: str) -> bytes:
        """Return one object as it was sent, for somebody else to parse. Raises NotFound,
        Forbidden.
        """
        request = Request("GET", path)
        return await self._patience.until_answered(lambda: self._transport.send_for_bytes(request))

    async def list_metadata(self, path: str, take: Callable[[Json], T]) -> list[T]:
        """Return what `take` makes of every object's metadata.

        The listing comes in pages of which one at a time is held: managedFields alone are kilobytes
        an object. It starts over when a continue token expires. Raises NotFound, Forbidden.
        """
        items, _ = await self.list_metadata_at(path, take)
        return items

    async def list_metadata_at(self, path: str, take: Callable[[Json], T]) -> tuple[list[T], str]:
        """Return the same, and the resourceVersion from which a watch goes on."""
        return await self._list(
            path, PAGE_ITEMS_MAX, _METADATA_LIST, lambda item: take(item["metadata"])
        )

    async def list_objects(self, path: str, take: Callable[[Json], T]) -> tuple[list[T], str]:
        """Return what `take` makes of every object in full, and the version of the listing. One
        page of objects at a time is held. Where the listing has to start over, `take` is called
        for objects again. Raises NotFound, Forbidden.
        """
        return await self._list(path, OBJECTS_MAX, "application/json", take)

    async def _list(
        self, path: str, items_max: int, accept: str, take: Callable[[Json], T]
    ) -> tuple[list[T], str]:
        while True:
            items: list[T] = []
            version = ""
            try:
                async for page in self.pages(path, items_max, accept=accept):
                    items += (take(item) for item in items_of(page))
                    version = page["metadata"].get("resourceVersion", "")
            except Expired:
                logger.info("The listing of %s outlived its continue token; starting over.", path)
            else:
                return items, version

    async def pages(
        self, path: str, items_max: int, *, accept: str = "application/json"
    ) -> AsyncGenerator[Json]:
        """Yield a listing in pages of at most `items_max` objects, all of one resourceVersion. A
        page that is too large to be held is asked for again with half as many.

        Raises Expired where the reader took so long that the continue token is too old.
        """
        token = ""
        for _ in range(PAGES_MAX):
            query = {"limit": str(items_max)} | ({"continue": token} if token else {})
            try:
                bytes_max = PAGE_BYTES_MAX if items_max > 1 else REPLY_BYTES_MAX
                request = Request("GET", path, query, accept=accept, bytes_max=bytes_max)
                page = await self._send(request)
            except ReplyTooLarge:
                if items_max == 1:
                    raise
                items_max = (items_max + 1) // 2
                continue
            before, token = token, page["metadata"].get("continue", "")
            yield page
            if not token:
                return
            if token == before:
                break
        raise ServerError(f"the listing of {path} does not come to an end")

    async def watch_metadata(self, path: str, version: str) -> AsyncGenerator[tuple[str, Json]]:
        """Yield what happens after that version, as type and metadata, until the server ends the
        watch.

        A watch is not patient. Raises Expired where the version is too old, and every other
        KubeError.
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
                        raise error_of(status)
                    case {"type": str(type_), "object": {"metadata": dict(metadata)}}:
                        yield type_, metadata
                    case _:
                        raise Unavailable(f"no event of a watch: {str(line)[:100]}")

    async def check_watch(self, path: str) -> None:
        """Raise what a watch would be refused with: Forbidden, NotFound."""
        query = {"watch": "true", "timeoutSeconds": "1"}
        request = Request("GET", path, query, accept=_METADATA)
        await self._patience.until_answered(lambda: self._transport.knock(request))

    async def apply(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        """Apply on the server's side, and win conflicts over fields. Raises Invalid, Forbidden,
        NotFound, and Conflict where somebody else wrote at the same moment.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        query |= {"dryRun": "All"} if dry_run else {}
        return await self._send(
            Request("PATCH", path, query, _as_yaml(body), content_type=_APPLY_PATCH)
        )

    async def create(self, path: str, body: Json) -> Json:
        """Create an object under the name in its body. Raises Forbidden, Invalid, and Conflict,
        which may be the echo of a repeat.
        """
        return await self._send(Request("POST", path, body=body))

    async def merge_patch(self, path: str, body: Json) -> Json:
        """Send a merge patch (RFC 7386). `body` must carry metadata.resourceVersion where others
        write too, or a repeat could undo their write. Raises Conflict, NotFound, Forbidden,
        Invalid.
        """
        return await self._send(
            Request("PATCH", path, body=body, content_type="application/merge-patch+json")
        )

    async def json_patch(self, path: str, operations: list[Json]) -> Json:
        """Send a JSON Patch (RFC 6902) of operations that may be repeated. Raises NotFound,
        Forbidden, and Invalid, also where a `test` among them fails.
        """
        return await self._send(
            Request("PATCH", path, body=operations, content_type="application/json-patch+json")
        )

    async def delete(self, path: str, uid: str) -> None:
        """Delete exactly the object with this UID; one that is gone or another is left alone."""
        try:
            body = {"preconditions": {"uid": uid}}
            await self._send(Request("DELETE", path, body=body))
        except (NotFound, Conflict):
            logger.debug("%s with UID %s is gone already.", path, uid)

    async def _send(self, request: Request) -> Json:
        return await self._patience.until_answered(lambda: self._transport.send(request))


def items_of(listing: Json) -> list[Json]:
    """Return the objects of a listing or of a page; an empty one may say null."""
    return listing["items"] or []


def _as_yaml(body: Json) -> str:
    """Return JSON that the API server's YAML reader takes.

    It refuses the surrogate pairs with which JSON escapes what is beyond the BMP. So characters
    go out as themselves, and those that YAML does not print are escaped.
    """
    text = json.dumps(body, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
