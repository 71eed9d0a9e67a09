"""Holds what a watch has told until somebody takes it out; only the newest version counts."""

from dataclasses import dataclass, field

import anyio

from capscan.kube.transport import Json


@dataclass(slots=True)
class Inbox:
    """The newest version of each object that was not delivered yet: bounded by their number."""

    _bodies: dict[tuple[str, str], Json | None] = field(default_factory=dict)
    _filled: anyio.Event = field(default_factory=anyio.Event)

    def put(self, plural: str, uid: str, body: Json | None) -> None:
        """Put the object in, as it now is; None where it is gone."""
        self._bodies[plural, uid] = body
        self._filled.set()

    async def take(self) -> dict[tuple[str, str], Json | None]:
        """Wait until something is there, and take all of it out."""
        await self._filled.wait()
        self._filled = anyio.Event()
        bodies, self._bodies = self._bodies, {}
        return bodies
