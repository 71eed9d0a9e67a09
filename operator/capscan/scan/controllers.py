"""All the controllers of this process, one task each, found by the UID of their scan."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import anyio
import anyio.abc

from capscan.model import CapabilityScan
from capscan.scan.controller import ScanController

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Running:
    controller: ScanController
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)


class Controllers:
    """Starts and ends controllers; none outlives the task group."""

    def __init__(
        self, group: anyio.abc.TaskGroup, create: Callable[[CapabilityScan], ScanController]
    ) -> None:
        self._group = group
        self._create = create
        self._by_uid: dict[str, _Running] = {}

    def observe(self, scan: CapabilityScan) -> None:
        """A scan was seen: hand it to its controller, a new one if need be."""
        uid = scan.metadata.uid
        self._end_namesakes(scan)
        if uid in self._by_uid:
            self._by_uid[uid].controller.observe(scan)
            return
        running = self._by_uid[uid] = _Running(self._create(scan))
        self._group.start_soon(self._run, uid, running, name=f"scan {scan.metadata.name}")

    def remove(self, uid: str) -> None:
        """The scan was deleted: stop its work at once."""
        if running := self._by_uid.get(uid):
            name = running.controller.name
            logger.info("%s: deleted; its Capabilities stay", name, extra={"scan": name})
            running.scope.cancel()

    def retain(self, uids: Iterable[str]) -> None:
        """Deletions may have been missed: stop what is not in this listing."""
        for uid in self._by_uid.keys() - set(uids):
            self.remove(uid)

    async def close(self, grace_s: float) -> None:
        """End them all; items in flight have `grace_s` seconds."""
        running = list(self._by_uid.values())
        for one in running:
            one.controller.close(grace_s)
        for one in running:
            await one.done.wait()

    def _end_namesakes(self, scan: CapabilityScan) -> None:
        """A deletion that was missed shows as a new object under the old name."""
        for uid, running in self._by_uid.items():
            if running.controller.name == scan.metadata.name and uid != scan.metadata.uid:
                self.remove(uid)

    async def _run(self, uid: str, running: _Running) -> None:
        try:
            with running.scope:
                await running.controller.run()
        except Exception:
            # Forgotten, so that the next event or listing starts it afresh.
            name = running.controller.name
            logger.exception("the controller of %s ended by a bug", name, extra={"scan": name})
        finally:
            if self._by_uid.get(uid) is running:
                del self._by_uid[uid]
            running.done.set()
