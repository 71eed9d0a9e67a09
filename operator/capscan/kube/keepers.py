"""One task for each object of a kind, found by the object's UID.

A name may come back with another object behind it; a UID never does. What a task does for its
object is the keeper's business: `scan/controllers.py` and `inference/accounts/` have keepers.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import anyio
import anyio.abc

from capscan.kube.supervision import supervised
from capscan.model import ObjectMeta


class HasMeta(Protocol):
    """An object of capscan's own kinds."""

    @property
    def metadata(self) -> ObjectMeta: ...


O_contra = TypeVar("O_contra", bound=HasMeta, contravariant=True)
O = TypeVar("O", bound=HasMeta)  # noqa: E741


class Keeper(Protocol[O_contra]):
    """Looks after one object."""

    @property
    def name(self) -> str: ...

    def observe(self, seen: O_contra, /) -> None:
        """Take note of a version of the object that a watch brought."""
        ...

    async def run(self) -> None:
        """Work until cancelled, or until there is nothing left to look after."""
        ...


K = TypeVar("K", bound=Keeper)  # type: ignore[type-arg]


@dataclass(slots=True)
class _Running(Generic[O, K]):
    keeper: K
    seen: O
    """The newest version of the object."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)


class Keepers(Generic[O, K]):
    """Starts and ends keepers; no keeper outlives the task group."""

    def __init__(self, group: anyio.abc.TaskGroup, create: Callable[[O], K]) -> None:
        self._group = group
        self._create = create
        self._by_uid: dict[str, _Running[O, K]] = {}

    def __iter__(self) -> Iterator[K]:
        return iter([running.keeper for running in self._by_uid.values()])

    def of(self, uid: str) -> K | None:
        """Return the keeper of the object of that UID; None where there is none."""
        running = self._by_uid.get(uid)
        return running.keeper if running else None

    def observe(self, seen: O) -> None:
        """Hand an object that was seen to its keeper; start one if it has none."""
        uid, version = seen.metadata.uid, seen.metadata.version
        if any(version < namesake.seen.metadata.version for namesake in self._namesakes(seen)):
            return  # this is late news of an object that was deleted since
        for namesake in self._namesakes(seen):
            namesake.scope.cancel()  # its deletion was missed
        if running := self._by_uid.get(uid):
            running.seen = max(running.seen, seen, key=lambda known: known.metadata.version)
            running.keeper.observe(seen)
            return
        running = self._by_uid[uid] = _Running(self._create(seen), seen)
        self._group.start_soon(self._run, uid, running, name=running.keeper.name)

    def remove(self, uid: str) -> None:
        """Stop the work at once: the object was deleted."""
        if running := self._by_uid.get(uid):
            running.scope.cancel()

    def retain(self, uids: Iterable[str], version: str = "") -> None:
        """Stop the keepers of objects that are not in this listing: their deletion was missed. With
        the version of the listing, objects that were seen later are left alone.
        """
        for uid in self._by_uid.keys() - set(uids):
            if not version or self._by_uid[uid].seen.metadata.version <= int(version):
                self.remove(uid)

    def ended(self, keeper: K) -> None:
        """Hear that this keeper has ended and is no longer found; subclasses may act on it."""

    async def until_done(self) -> None:
        """Wait for every keeper that runs now to end."""
        for running in list(self._by_uid.values()):
            await running.done.wait()

    def _namesakes(self, seen: O) -> list[_Running[O, K]]:
        """Return the keepers of other objects that have or had the same name."""
        return [
            running
            for uid, running in self._by_uid.items()
            if running.keeper.name == seen.metadata.name and uid != seen.metadata.uid
        ]

    async def _run(self, uid: str, running: _Running[O, K]) -> None:
        async def look_after() -> None:
            try:
                await running.keeper.run()
            except Exception:
                running.keeper = self._create(running.seen)  # nothing of the broken one is kept
                raise

        try:
            with running.scope:
                await supervised(f"what looks after {running.keeper.name}", look_after)
        finally:
            if self._by_uid.get(uid) is running:
                del self._by_uid[uid]
            running.done.set()
            self.ended(running.keeper)
