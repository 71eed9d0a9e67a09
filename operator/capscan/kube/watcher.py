"""What a watch of capscan's own objects is, and what it calls. kopf's is in `handlers.py`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from capscan.kube.credentials import Credentials
from capscan.kube.transport import Json


@dataclass(frozen=True, slots=True)
class Watcher:
    """What a watch calls, from any thread and from any event loop."""

    plurals: Sequence[str]
    """The kinds to watch."""
    seen: Callable[[str, Json], None]
    """Tell of an object of this plural as it now is."""
    deleted: Callable[[str, Json], None]
    """Tell of an object of this plural that is gone."""
    listed: Callable[[], None]
    """Tell that the watch had to list again: it tells nothing of what was deleted meanwhile."""
    established: Callable[[str], None]
    """Tell that changes to the objects of this plural are streamed from now on."""
    login: Callable[[Credentials | None], Awaitable[Credentials]]
    """Return fresh credentials, and others than those that were refused; waits until there are
    some."""
    beat: Callable[[], None]
    """Tell that the watch's event loop turns."""
    refused: Callable[[], None]
    """Tell that requests fail again and again: a right may be missing."""


class Watch(Protocol):
    """A stream of changes to objects."""

    async def __call__(self, watcher: Watcher) -> None:
        """Tell of every object there is, then of every change, until the stream breaks."""
        ...
