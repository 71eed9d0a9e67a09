"""Kubernetes Events about capscan's objects: `kubectl describe` shows them.

Telling never waits and never fails: a notice that does not fit the queue is dropped, and so is one
that the API server refuses. The same note about the same object within six minutes is one Event
with a count, as in client-go's recorder. Who tells what is decided in `scan` and `inference`.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import anyio
from aiolimiter import AsyncLimiter

from capscan.core.kube_errors import Conflict, Forbidden, KubeError, NotFound
from capscan.core.notice import Notice
from capscan.core.text import shorten
from capscan.kube.client import KubeClient
from capscan.kube.transport import Json
from capscan.model import ObjectMeta
from capscan.model.meta import GROUP, VERSION

logger = logging.getLogger(__name__)

NAMESPACE = "default"
"""The namespace where Events about cluster-scoped objects belong."""
PATH = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"

_ACTIONS = {"CapabilityScan": "Run", "InferenceProvider": "Check"}
"""What the operator does with objects of a kind: an Event must name an action in one word."""
QUEUE_MAX = 256
EVENTS_PER_MINUTE = 60
SERIES_S = 360.0
NOTE_CHARS_MAX = 1024
_NAME_CHARS_MAX = 230
_INSTANCE_CHARS_MAX = 128


@dataclass(frozen=True, slots=True)
class _Told:
    kind: str
    about: ObjectMeta
    notice: Notice
    at: datetime


@dataclass(frozen=True, slots=True)
class _Posted:
    name: str
    count: int
    last: datetime


class EventRecorder:
    """Posts notices in the order in which it is told of them."""

    def __init__(self, client: KubeClient, *, instance: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._instance = instance[:_INSTANCE_CHARS_MAX]
        self._now = now
        self._queue, self._told = anyio.create_memory_object_stream[_Told](QUEUE_MAX)
        self._limiter = AsyncLimiter(EVENTS_PER_MINUTE, 60)
        self._posted: dict[tuple[str, str, str], _Posted] = {}
        self._forbidden = False

    def tell(self, kind: str, about: ObjectMeta, notice: Notice) -> None:
        """Put the notice into the queue; drop it where the queue is full."""
        if self._forbidden:
            return
        try:
            self._queue.send_nowait(_Told(kind, about, notice, self._now()))
        except anyio.WouldBlock:
            logger.warning("%s: no Event %s: too many wait", about.name, notice.reason)

    async def run(self) -> None:
        """Post what is in the queue, until cancelled."""
        with self._queue, self._told:
            async for told in self._told:
                async with self._limiter:
                    await self._post(told)

    async def _post(self, told: _Told) -> None:
        try:
            if not self._forbidden and not await self._extended(told):
                await self._create(told)
        except Forbidden as error:
            self._forbidden = True
            logger.warning(
                "no Events are posted from now on. Add to a Role in the namespace %s: apiGroups "
                "[events.k8s.io], resources [events], verbs [create, patch]. The API server said: "
                "%s", NAMESPACE, error,
            )  # fmt: skip
        except KubeError as error:
            logger.info("%s: no Event %s: %s", told.about.name, told.notice.reason, error)
        except Exception:
            logger.exception("%s: no Event %s", told.about.name, told.notice.reason)

    async def _extended(self, told: _Told) -> bool:
        """Add to an Event that is there, and return True; False where a new one is needed."""
        key = _key(told)
        posted = self._posted.get(key)
        if posted is None or (told.at - posted.last).total_seconds() > SERIES_S:
            return False
        count = posted.count + 1
        series = {"count": count, "lastObservedTime": _micro_time(told.at)}
        try:
            await self._client.merge_patch(f"{PATH}/{posted.name}", {"series": series})
        except NotFound:
            return False
        self._posted[key] = _Posted(posted.name, count, told.at)
        return True

    async def _create(self, told: _Told) -> None:
        name = f"{told.about.name[:_NAME_CHARS_MAX]}.{secrets.token_hex(8)}"
        try:
            await self._client.create(PATH, self._event(name, told))
        except Conflict:  # the request was repeated because its answer was lost
            logger.debug("the Event %s is there already", name)
        recent = {
            key: posted
            for key, posted in self._posted.items()
            if (told.at - posted.last).total_seconds() <= SERIES_S
        }
        self._posted = recent | {_key(told): _Posted(name, 1, told.at)}

    def _event(self, name: str, told: _Told) -> Json:
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "eventTime": _micro_time(told.at),
            "reportingController": f"{GROUP}/operator",
            "reportingInstance": self._instance,
            "action": _ACTIONS[told.kind],
            "reason": told.notice.reason,
            "note": shorten(told.notice.note, NOTE_CHARS_MAX),
            "type": "Warning" if told.notice.warning else "Normal",
            "regarding": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": told.kind,
                "name": told.about.name,
                "uid": told.about.uid,
            },
        }


def _key(told: _Told) -> tuple[str, str, str]:
    """Return what one Event stands for. The note of an Event cannot be changed, so that another
    note is another Event."""
    return told.about.uid, told.notice.reason, told.notice.note


def _micro_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
