"""All the controllers of this process, one task each, found by the UID of their scan."""

import logging

from capscan.kube.keepers import Keepers
from capscan.model import CapabilityScan
from capscan.scan.controller import ScanController

logger = logging.getLogger(__name__)


class Controllers(Keepers[CapabilityScan, ScanController]):
    """Starts and ends controllers; none outlives the task group."""

    def remove(self, uid: str) -> None:
        """The scan was deleted: stop its work at once."""
        if controller := self.of(uid):
            name = controller.name
            logger.info("%s: deleted; its Capabilities stay", name, extra={"scan": name})
        super().remove(uid)

    def provider_changed(self, name: str) -> None:
        """That InferenceProvider was mended, or broken: scans that wait for it try again."""
        for controller in self:
            controller.provider_changed(name)

    def hindrance_changed(self) -> None:
        """Something keeps this process from seeing them change, or does no longer."""
        for controller in self:
            controller.hindrance_changed()

    async def close(self, grace_s: float) -> None:
        """End them all; items in flight have `grace_s` seconds."""
        for controller in self:
            controller.close(grace_s)
        await self.until_done()
