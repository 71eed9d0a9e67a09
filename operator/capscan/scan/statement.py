"""What this process says of one CapabilityScan in its status."""

from capscan.core.conditions import beside
from capscan.core.run import lifecycle
from capscan.core.status.rendering import render
from capscan.core.status.state import ScanState
from capscan.model import CapabilityScan, ScanStatus
from capscan.scan.following import Lookout
from capscan.scan.ports import Ports
from capscan.scan.session import Session


class Statement:
    """Remembers what was said last, which is what the next status is rendered by: of what others
    wrote over it, nothing is ours.
    """

    def __init__(self, said: ScanStatus, ports: Ports, lookout: Lookout) -> None:
        self._said = said
        self._ports = ports
        self._lookout = lookout

    def adopt(self, theirs: ScanStatus) -> None:
        """Go on from what another operator has said."""
        self._said = theirs

    def render(
        self, scan: CapabilityScan, state: ScanState, session: Session | None, found: ScanStatus
    ) -> ScanStatus:
        """What to write where that was found; conditions of others stay as they are."""
        if not state.has_the_word(found):
            return found
        is_obeyed = lifecycle.is_obeyed(scan, state.handled, state.phase)
        self._said = render(
            state,
            session.live if session else None,
            self._said,
            self._ports.now(),
            generation=scan.metadata.generation if is_obeyed else self._said.observed_generation,
            hindrance=self._ports.hindrance() or self._lookout.hindrance,
        )
        held = beside(self._said.conditions or (), found.conditions or ())
        return self._said.model_copy(update={"conditions": held or None})
