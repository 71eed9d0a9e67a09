"""A watch of the cluster's CRDs by their metadata alone: that something changed, not what.

In full they would be 200 MB where there are four thousand. What counts as a change is what a plan
goes by: a CRD's UID, its generation and its labels. capscan's own CRDs do not count.
"""

import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import NoReturn

import anyio

from capscan.core.errors import Expired, Forbidden, KubeError, Unavailable
from capscan.core.retry import stepped_s
from capscan.kube.client import KubeClient
from capscan.kube.crds import PATH, ref_of
from capscan.kube.transport import Json
from capscan.model import CrdRef
from capscan.model.meta import GROUP

logger = logging.getLogger(__name__)

PAUSE_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Before a watch that broke is begun again; the last one repeats. One that was told anything before
it broke starts from the first."""


class CrdWatch:
    """Tells of changes for as long as it runs, across any number of broken watches."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._known: dict[str, CrdRef] | None = None
        self._version = ""
        self._failures = 0

    async def run(self, on_change: Callable[[], None]) -> NoReturn:
        """Until cancelled. `on_change` is called once the CRDs were listed, and at each change."""
        self._known, self._version = None, ""
        while True:
            try:
                if not self._version:
                    await self._list(on_change)
                await self._watch(on_change)
            except Expired:
                self._version = ""
            except KubeError as error:
                # The API server keeps its versions when it is restarted: go on where it was.
                if not isinstance(error, Unavailable):
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

    def _is_news(self, type_: str, metadata: Json) -> bool:
        name, known = metadata["name"], self._known
        if known is None or not _counts(name):
            return False
        if type_ == "DELETED":
            return known.pop(name, None) is not None
        before, known[name] = known.get(name), ref_of(metadata)
        return before != known[name]

    async def _pause(self, error: KubeError) -> None:
        hint = ""
        if isinstance(error, Forbidden):
            hint = (
                "; spec.follow needs in the ClusterRole: apiGroups [apiextensions.k8s.io], "
                "resources [customresourcedefinitions], verbs [get, list, watch]"
            )
        if self._failures == 1:
            logger.warning("the watch of CRDs broke (%s)%s; trying on", error, hint)
        pause_s = stepped_s(PAUSE_S, self._failures)
        self._failures += 1
        await anyio.sleep(pause_s)


def _counts(name: str) -> bool:
    return not name.endswith(f".{GROUP}")
