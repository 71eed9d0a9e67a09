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

import anyio
import kopf

from capscan.model.meta import GROUP, VERSION
from capscan.watching import Watcher

logger = logging.getLogger(__name__)

BEAT_S = 5.0
STOP_TIMEOUT_S = 5.0


async def watch_with_kopf(watcher: Watcher) -> None:
    """Run kopf until it exits by itself; cancelling stops it. Implements `watching.Watch`."""
    thread = _KopfThread(watcher)
    thread.start()
    try:
        await thread.ended.wait()
    finally:
        thread.stop()
        with anyio.move_on_after(STOP_TIMEOUT_S, shield=True):
            await thread.ended.wait()


class _KopfThread(threading.Thread):
    """Runs kopf in an event loop of its own; `ended` belongs to the loop that made the thread."""

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(name="kopf", daemon=True)
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
            # The application's loop may be closed by then.
            with contextlib.suppress(RuntimeError):
                self._home.call_soon_threadsafe(self.ended.set)

    def stop(self) -> None:
        """Ask kopf to end; nothing happens where it has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _operate(self) -> None:
        beating = asyncio.create_task(_beat(self._watcher))
        try:
            await kopf.operator(
                registry=_registry(self._watcher),
                settings=_settings(self._watcher),
                clusterwide=True,
                stop_flag=self._stop,
            )
        finally:
            beating.cancel()


async def _beat(watcher: Watcher) -> None:
    while True:
        watcher.beat()
        await asyncio.sleep(BEAT_S)


def _registry(watcher: Watcher) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login")
    async def login(**_: object) -> kopf.ConnectionInfo:
        credentials = await watcher.login()
        return kopf.ConnectionInfo(
            server=credentials.server,
            token=credentials.token,
            ca_path=credentials.ca_path,
            certificate_path=credentials.certificate_path,
            private_key_path=credentials.private_key_path,
            insecure=credentials.insecure,
            proxy_url=credentials.proxy,
        )

    for plural in watcher.plurals:
        _watch_kind(registry, watcher, plural)
    return registry


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
