"""Writes the status of one CapabilityScan, and notices where another operator writes it too."""

from capscan.model import CapabilityScan, ScanStatus
from capscan.scan.announcer import Announcer
from capscan.scan.ports import ScanStatusSink
from capscan.scan.status_renderer import StatusRenderer, Subject


class StatusWriter:
    """Puts what `renderer` makes into `sink`, in the name of `owner`."""

    def __init__(
        self, sink: ScanStatusSink, renderer: StatusRenderer, announcer: Announcer, owner: str
    ) -> None:
        self._sink = sink
        self._renderer = renderer
        self._announcer = announcer
        self._owner = owner
        self._signed = False
        """Whether a status was written that names this operator as the owner of the run."""

    def observe(self, scan: CapabilityScan) -> bool:
        """Take note of a version that was seen; False if a newer one is known already."""
        return self._sink.observe(scan)

    def adopt(self, theirs: ScanStatus) -> None:
        """Go on from what another operator has written."""
        self._renderer.adopt(theirs)

    async def write(self, subject: Subject) -> bool:
        """Write once. Return whether anything was sent. Raises ObjectGone, MissingPermission,
        StatusRejected.
        """

        def render(found: ScanStatus) -> ScanStatus:
            if self._signed and found.run and found.run.owner != self._owner:
                self._announcer.rival(found.run.owner)
            return self._renderer.render(subject, found)

        written = await self._sink.update(render)
        run = subject.state.handled.run
        self._signed |= run is not None and run.owner == self._owner
        return written
