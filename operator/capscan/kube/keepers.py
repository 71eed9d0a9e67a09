"""One task for each object of a kind, found by the object's UID.

Names come back with other objects behind them; UIDs do not.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import anyio
import anyio.abc

from capscan.kube.supervision import supervised
from capscan.model import ObjectMeta


class HasMeta(Protocol):
    """An object of ours."""

    @property
    def metadata(self) -> ObjectMeta: ...


O_contra = TypeVar("O_contra", bound=HasMeta, contravariant=True)
O = TypeVar("O", bound=HasMeta)  # noqa: E741


class Keeper(Protocol[O_contra]):
    """Looks after one object."""

    @property
    def name(self) -> str: ...

    def observe(self, seen: O_contra, /) -> None:
        """A version of the object that a watch brought."""
        ...

    async def run(self) -> None:
        """Until it is cancelled, or until there is nothing left to look after."""
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
    """Starts and ends keepers; none outlives the task group."""

    def __init__(self, group: anyio.abc.TaskGroup, create: Callable[[O], K]) -> None:
        self._group = group
        self._create = create
        self._by_uid: dict[str, _Running[O, K]] = {}

    def __iter__(self) -> Iterator[K]:
        return iter([running.keeper for running in self._by_uid.values()])

    def of(self, uid: str) -> K | None:
        """The keeper of the object of that UID."""
        running = self._by_uid.get(uid)
        return running.keeper if running else None

    def observe(self, seen: O) -> None:
        """An object was seen: hand it to its keeper, a new one if need be."""
        uid, version = seen.metadata.uid, seen.metadata.version
        if any(version < namesake.seen.metadata.version for namesake in self._namesakes(seen)):
            return  # a late word of one that was deleted
        for namesake in self._namesakes(seen):
            namesake.scope.cancel()  # a deletion that was missed
        if running := self._by_uid.get(uid):
            running.seen = max(running.seen, seen, key=lambda known: known.metadata.version)
            running.keeper.observe(seen)
            return
        running = self._by_uid[uid] = _Running(self._create(seen), seen)
        self._group.start_soon(self._run, uid, running, name=running.keeper.name)

    def remove(self, uid: str) -> None:
        """The object was deleted: stop the work at once."""
        if running := self._by_uid.get(uid):
            running.scope.cancel()

    def retain(self, uids: Iterable[str], version: str = "") -> None:
        """Deletions may have been missed: stop what is not in this listing. With the version of it,
        what came later is left alone.
        """
        for uid in self._by_uid.keys() - set(uids):
            if not version or self._by_uid[uid].seen.metadata.version <= int(version):
                self.remove(uid)

    def ended(self, keeper: K) -> None:
        """That one looks after nothing any more, and is found no longer."""

    async def until_done(self) -> None:
        """Wait for every keeper that runs now to end."""
        for running in list(self._by_uid.values()):
            await running.done.wait()

    def _namesakes(self, seen: O) -> list[_Running[O, K]]:
        """Of another UID, under the same name."""
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
                running.keeper = self._create(running.seen)  # of the broken one nothing is kept
                raise

        try:
            with running.scope:
                await supervised(f"what looks after {running.keeper.name}", look_after)
        finally:
            if self._by_uid.get(uid) is running:
                del self._by_uid[uid]
            running.done.set()
            self.ended(running.keeper)
