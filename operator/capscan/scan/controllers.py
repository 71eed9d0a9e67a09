"""Holds all controllers of this process: one task each, found by the UID of their scan."""

from capscan.kube.keepers import Keepers
from capscan.model import CapabilityScan
from capscan.scan.controller import ScanController


class Controllers(Keepers[CapabilityScan, ScanController]):
    """Starts and ends controllers; none outlives the task group."""

    def remove(self, uid: str) -> None:
        """Stop the work of a scan that was deleted at once."""
        if controller := self.of(uid):
            controller.deleted()
        super().remove(uid)

    def provider_changed(self, name: str) -> None:
        """Have the scans that wait for that InferenceProvider try again: it has changed."""
        for controller in self:
            controller.provider_changed(name)

    def hindrance_changed(self) -> None:
        """Have all scans say what keeps this process from seeing them change, if anything does."""
        for controller in self:
            controller.hindrance_changed()

    async def close(self, grace_s: float) -> None:
        """End all controllers; items in flight have `grace_s` seconds."""
        for controller in self:
            controller.close(grace_s)
        await self.until_done()
