"""Renders the status of one CapabilityScan as this process knows it.

The rules are in `core/status/rendering.py`; what is rendered is sent by `status_writer.py`.
"""

from typing import Protocol

from capscan.core.conditions import beside
from capscan.core.run import lifecycle
from capscan.core.status.rendering import Live, render
from capscan.core.status.state import ScanState
from capscan.model import CapabilityScan, ScanStatus
from capscan.scan.following import Lookout
from capscan.scan.ports import Ports


class Subject(Protocol):
    """What a status is about. It is read at each rendering, since it goes on meanwhile."""

    @property
    def scan(self) -> CapabilityScan:
        """The newest version."""
        ...

    @property
    def state(self) -> ScanState:
        """Where the scan stands."""
        ...

    @property
    def live(self) -> Live | None:
        """What the session knows; None where there is none."""
        ...


class StatusRenderer:
    """Remembers the status that it rendered last, which the next one is rendered by. What others
    wrote over that status is not taken for its own.
    """

    def __init__(self, last: ScanStatus, ports: Ports, lookout: Lookout) -> None:
        self._last = last
        self._ports = ports
        self._lookout = lookout

    def adopt(self, theirs: ScanStatus) -> None:
        """Go on from what another operator has rendered."""
        self._last = theirs

    def render(self, subject: Subject, found: ScanStatus) -> ScanStatus:
        """Return what to write where `found` was found; conditions of others stay as they are."""
        scan, state = subject.scan, subject.state
        if not state.has_the_word(found):
            return found
        is_obeyed = lifecycle.is_obeyed(scan, state.handled, state.phase)
        self._last = render(
            state,
            subject.live,
            self._last,
            self._ports.now(),
            generation=scan.metadata.generation if is_obeyed else self._last.observed_generation,
            hindrance=self._ports.hindrance() or self._lookout.hindrance,
        )
        held = beside(self._last.conditions or (), found.conditions or ())
        return self._last.model_copy(update={"conditions": held or None})
