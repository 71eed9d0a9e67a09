"""What a watch has told of one kind, kept whether anybody works on it or not.

A watch goes on for as long as the process lives. Whoever works on the objects may come later, leave
and come again, and is then handed what was told meanwhile. `kube/keepers.py` gives each object a
task; this module starts none.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol

from capscan.kube.keepers import O, O_contra

logger = logging.getLogger(__name__)


class Worker(Protocol[O_contra]):
    """Works on the objects of one kind."""

    def observe(self, seen: O_contra, /) -> None:
        """Take note of an object as it now is."""
        ...

    def remove(self, uid: str, /) -> None:
        """Take note that the object of that UID is gone."""
        ...

    def retain(self, uids: Iterable[str], version: str, /) -> None:
        """Take note that only the objects of these UIDs are there. Objects that were seen after
        `version` stay; an empty one spares none.
        """
        ...


class Known(Generic[O]):
    """The newest version of every object of one kind; bounded by their number. It hands on to its
    worker, while it has one, whatever it is told.
    """

    def __init__(self) -> None:
        self._by_uid: dict[str, O] = {}
        self._worker: Worker[O] | None = None
        """None while nobody works on these objects."""

    def observe(self, seen: O) -> None:
        """Keep this version, unless a newer one is known."""
        known = self._by_uid.get(seen.metadata.uid)
        if known is None or known.metadata.version <= seen.metadata.version:
            self._by_uid[seen.metadata.uid] = seen
        if self._worker:
            self._worker.observe(seen)

    def remove(self, uid: str) -> None:
        """Forget the object of that UID: it is gone."""
        self._by_uid.pop(uid, None)
        if self._worker:
            self._worker.remove(uid)

    def retain(self, uids: Iterable[str], version: str) -> None:
        """Forget every object whose UID is not among these, but for those that were seen after the
        version `version`; an empty one spares none.
        """
        listed = set(uids)
        for uid in self._by_uid.keys() - listed:
            if not version or self._by_uid[uid].metadata.version <= int(version):
                del self._by_uid[uid]
        if self._worker:
            self._worker.retain(listed, version)

    @contextmanager
    def handed_to(self, worker: Worker[O]) -> Iterator[None]:
        """Give the worker every object that is known now and, until the block ends, everything that
        is told of them. An object that it cannot take is logged and skipped until it changes.
        """
        self._worker = worker
        try:
            for seen in list(self._by_uid.values()):
                try:
                    worker.observe(seen)
                except Exception:
                    logger.exception("cannot take over %s; it is skipped", seen.metadata.name)
            yield
        finally:
            self._worker = None
