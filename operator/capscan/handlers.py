"""kopf <-> application, and nothing else: the only file that imports kopf.

kopf runs in a thread and an event loop of its own. Its handlers parse nothing and decide nothing:
they tell `watching.py` what was seen. So neither an exit of kopf nor the cancellations that come
with it reach a run; the application starts kopf again. `on.event` is the only kind of handler used.
The others put finalizers or annotations on objects: these hang on deletion while no operator runs,
and show as drift to GitOps tools.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import aiohttp
import anyio
import kopf
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from yarl import URL

from capscan.kube.client import OBJECTS_MAX
from capscan.kube.credentials import Credentials
from capscan.kube.session import open_session, tls_of
from capscan.kube.watcher import Watcher
from capscan.model.meta import GROUP, VERSION

logger = logging.getLogger(__name__)

BEAT_S = 5.0
STOP_TIMEOUT_S = 5.0


async def watch_with_kopf(watcher: Watcher) -> None:
    """Run kopf until it exits by itself; cancelling stops it. Implements `Watch`."""
    thread = _KopfThread(watcher)
    thread.start()
    try:
        await thread.broken.wait()
    finally:
        thread.stop()
        with anyio.move_on_after(STOP_TIMEOUT_S, shield=True):
            await thread.ended.wait()


class _KopfThread(threading.Thread):
    """Runs kopf in an event loop of its own; the events belong to the loop that made the thread."""

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(name="kopf", daemon=True)
        self.broken = anyio.Event()
        """It watches no longer: it has ended, or a kind is gone."""
        self.ended = anyio.Event()
        self._watcher = watcher
        self._home = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        # An asyncio flag: kopf waits for a threading one in an executor, which its own exit
        # would then wait for.
        self._stop = asyncio.Event()

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._operate())
        except Exception as error:
            logger.warning("kopf ended by an error: %s: %s", type(error).__name__, error)
        finally:
            self._tell(self.broken, self.ended)

    def _tell(self, *events: anyio.Event) -> None:
        # The application's loop may be closed by then.
        with contextlib.suppress(RuntimeError):
            for event in events:
                self._home.call_soon_threadsafe(event.set)

    def stop(self) -> None:
        """Ask kopf to end; nothing happens where it has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _operate(self) -> None:
        beating = asyncio.create_task(_beat(self._watcher))
        doors = _Doors(self._watcher, on_gone=lambda: self._tell(self.broken))
        try:
            await kopf.operator(
                registry=_registry(self._watcher, doors),
                settings=_settings(self._watcher),
                clusterwide=True,
                stop_flag=self._stop,
            )
        finally:
            beating.cancel()
            await doors.close()


async def _beat(watcher: Watcher) -> None:
    while True:
        watcher.beat()
        await asyncio.sleep(BEAT_S)


def _registry(watcher: Watcher, doors: "_Doors") -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login")
    async def login(**_: object) -> kopf.AiohttpSession:
        return await doors.open()

    for plural in watcher.plurals:
        _watch_kind(registry, watcher, plural)
    return registry


class _Doors:
    """Gives kopf its sessions: the same way to the API server that capscan's own client takes."""

    def __init__(self, watcher: Watcher, on_gone: Callable[[], None]) -> None:
        self._watcher = watcher
        self._on_gone = on_gone
        self._refused: Credentials | None = None
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> kopf.AiohttpSession:
        """Open a session once there are credentials. kopf calls this at first, and each time the
        last session was closed or refused.
        """
        await self.close()
        way = await self._watcher.login(self._refused)
        origin = URL(way.server).origin()

        async def as_the_user(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
            if request.url.origin() != origin:
                raise aiohttp.ClientConnectionError("the API server sends to another server")
            credentials = await self._watcher.login(None)
            if not credentials.same_way(way):
                await session.close()
                raise RuntimeError("the client certificate is another one now")  # kopf logs in anew
            if credentials.authorization:
                request.headers["Authorization"] = credentials.authorization
            try:
                response = await send(request)
            except AssertionError as error:
                if not session.closed:
                    raise
                # Another request was refused meanwhile, and kopf has closed the session for both.
                raise RuntimeError("the session was closed") from error  # kopf logs in anew
            self._note(request, response, credentials)
            return response

        session = open_session(way, tls_of(way), [as_the_user])
        self._session = session
        return kopf.AiohttpSession(server=way.server, aiohttp_session=session)

    async def close(self) -> None:
        """Close the session that was opened last."""
        if self._session:
            await self._session.close()

    def _note(
        self, request: ClientRequest, response: ClientResponse, credentials: Credentials
    ) -> None:
        if response.status == 401:
            self._refused = credentials
        elif response.status == 200 and "watch" in request.url.query:
            self._watcher.established(request.url.name)
        elif response.status == 404 and request.url.name in self._watcher.plurals:
            self._on_gone()
            response.close()
            # kopf would end by an error, in a way that now and then hangs; it is told to stop.
            raise aiohttp.ClientConnectionError("404: the kind is gone")
        elif response.status == 429 and not response.headers.get("Retry-After", "0").isdecimal():
            response.close()
            # kopf reads seconds alone, and its watch would die of a date.
            raise aiohttp.ClientConnectionError("429: too many requests")


def _watch_kind(registry: kopf.OperatorRegistry, watcher: Watcher, plural: str) -> None:
    @kopf.on.event(GROUP, VERSION, plural, registry=registry, id=f"{plural}-seen")
    async def seen(event: kopf.RawEvent, **_: object) -> None:
        if event["type"] == "DELETED":
            watcher.deleted(plural, dict(event["object"]))
            return
        if event["type"] is None:  # that is how kopf marks an object of a listing
            watcher.listed()
        watcher.seen(plural, dict(event["object"]))


def _settings(watcher: Watcher) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    # Discovery would read every CRD in full.
    settings.scanning.disabled = True
    settings.watching.chunk_size = OBJECTS_MAX
    settings.watching.server_timeout = 600
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    # Without end: an API server may be away for an hour, and kopf has to go on then.
    settings.networking.error_backoffs = _Backoffs(watcher.refused)
    return settings


class _Backoffs:
    """Gives kopf the pause before each new attempt at a request, without end. kopf walks through it
    anew for each request. kopf treats all errors alike, so `refused` is called at each of them:
    `watching.py` finds out whether a right is missing.
    """

    def __init__(self, refused: Callable[[], None]) -> None:
        self._refused = refused

    def __iter__(self) -> Iterator[float]:
        yield 1  # taken before the request has failed
        for pause_s in chain((1, 2, 3, 5), repeat(10)):
            self._refused()
            yield pause_s
