"""A watch of the cluster's CRDs by their metadata alone: it tells that something changed, not what.

In full, four thousand CRDs would be 200 MB. A change is one of what planning reads: a CRD's UID,
its generation or its labels. capscan's own CRDs do not count. When a change leads to a run is
decided in `core/run/burst.py` and `scan/`.
"""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NoReturn, Protocol, TypeVar

import anyio

from capscan.core.conditions import Stall
from capscan.core.kube_errors import Expired, Forbidden, KubeError, Unavailable
from capscan.core.retry import stepped_s
from capscan.kube.crds import PATH, missing, ref_of
from capscan.kube.patience import WARM_UP_S
from capscan.kube.transport import Json
from capscan.model import CrdRef
from capscan.model.meta import GROUP

logger = logging.getLogger(__name__)

PAUSE_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Pauses before a watch that broke is begun again; the last one repeats. A watch that told of
anything before it broke starts from the first pause."""

_RIGHTS = "get, list, watch"


T = TypeVar("T")


class MetadataClient(Protocol):
    """What a watch needs of `KubeClient`, which says what each method does and raises."""

    async def list_metadata_at(
        self, path: str, take: Callable[[Json], T], /
    ) -> tuple[list[T], str]: ...
    def watch_metadata(self, path: str, version: str, /) -> AsyncGenerator[tuple[str, Json]]: ...
    async def check_watch(self, path: str, /) -> None: ...


class CrdWatch:
    """Tells of changes for as long as it runs, across any number of broken watches."""

    def __init__(self, client: MetadataClient) -> None:
        self._client = client
        self._known: dict[str, CrdRef] | None = None
        self._version = ""
        self._failures = 0
        self._absent_s = float("-inf")
        """When the API server was last seen to be away."""
        self._hindrance: Stall | None = None

    async def run(
        self, on_change: Callable[[], None], on_hindrance: Callable[[Stall | None], None]
    ) -> NoReturn:
        """Watch until cancelled. Call `on_change` once the CRDs are listed, and at each change.
        Call `on_hindrance` where a right is missing, and with None once it is there.
        """
        self._known, self._version, self._hindrance = None, "", None
        while True:
            try:
                if not self._version:
                    await self._list(on_change)
                if self._hindrance:
                    await self._client.check_watch(PATH)
                    self._hindrance = None
                    on_hindrance(None)
                await self._watch(on_change)
            except Expired as error:
                self._version = ""
                await self._pause_if_again(error)
            except Unavailable as error:
                # The API server keeps its versions when it is restarted: go on where it was.
                self._absent_s = anyio.current_time()
                await self._pause(error)
            except KubeError as error:
                if isinstance(error, Forbidden):
                    self._refused(error, on_hindrance)
                self._version = ""
                await self._pause(error)

    async def _list(self, on_change: Callable[[], None]) -> None:
        listing, version = await self._client.list_metadata_at(PATH, ref_of)
        found = {ref.name: ref for ref in listing if _counts(ref.name)}
        before, self._known, self._version = self._known, found, version
        if before != found:
            on_change()

    async def _watch(self, on_change: Callable[[], None]) -> None:
        async with aclosing(self._client.watch_metadata(PATH, self._version)) as events:
            async for type_, metadata in events:
                self._failures = 0
                self._version = metadata["resourceVersion"]
                if type_ != "BOOKMARK" and self._is_news(type_, metadata):
                    on_change()
        await self._pause_if_again(Unavailable("it ended"))

    def _is_news(self, type_: str, metadata: Json) -> bool:
        name, known = metadata["name"], self._known
        if known is None or not _counts(name):
            return False
        if type_ == "DELETED":
            return known.pop(name, None) is not None
        before, known[name] = known.get(name), ref_of(metadata)
        return before != known[name]

    def _refused(self, error: Forbidden, on_hindrance: Callable[[Stall | None], None]) -> None:
        """Tell of a missing right, once. Where only the watch is refused, listing again and again
        stands in for it.
        """
        if anyio.current_time() - self._absent_s < WARM_UP_S:
            return  # an API server that has just come back refuses everybody
        if self._version:
            late = f", so that spec.follow sees changes up to {PAUSE_S[-1]:.0f} seconds late"
            fault = missing("watch", _RIGHTS, error, late)
        else:
            fault = missing("list", _RIGHTS, error, ", so that spec.follow sees no change")
        hindrance = Stall(fault.reason, str(fault))
        if hindrance != self._hindrance:
            self._hindrance = hindrance
            logger.warning("%s", fault)
            on_hindrance(hindrance)

    async def _pause_if_again(self, error: KubeError) -> None:
        """Pause unless the watch told of something: any watch may end, or be of a version that is
        too old, but not time after time.
        """
        if self._failures:
            await self._pause(error)
        else:
            self._failures = 1

    async def _pause(self, error: KubeError) -> None:
        if self._failures == 1 and not isinstance(error, Forbidden):
            logger.warning("the watch of CRDs broke (%s); trying on", error)
        pause_s = stepped_s(PAUSE_S, self._failures)
        self._failures += 1
        await anyio.sleep(pause_s)


def _counts(name: str) -> bool:
    return not name.endswith(f".{GROUP}")
