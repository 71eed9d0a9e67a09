"""One CRD from its turn to its end: read, digest, ask, store, report.

The result is stored before it is reported, so that a process that dies in between has lost
nothing but the news.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from capscan.core.answer import capability
from capscan.core.crd.digest import digest_crd
from capscan.core.errors import (
    InternalError,
    ItemError,
    KubeError,
    NotFound,
    ScanError,
    StoreRejected,
)
from capscan.core.run.events import CrdFailed, CrdScanned, CrdSkipped, CrdUnchanged, Settled
from capscan.core.run.plan import PlannedItem, fingerprint, plan_key
from capscan.core.text import shorten
from capscan.model import (
    Capability,
    Crd,
    FailedItem,
    Refresh,
    Run,
    ScanSpec,
    StoredRef,
)
from capscan.scan.attempts import Attempts
from capscan.scan.engine import Slot
from capscan.scan.ports import Answers, Ports

logger = logging.getLogger(__name__)

MESSAGE_CHARS_MAX = 500


@dataclass(slots=True)
class _Turn:
    """What is known of one item so far, wherever its turn may end."""

    item: PlannedItem
    slot: Slot
    attempts: Attempts
    crd: Crd | None = None
    known: Capability | None = None


def still_right(
    spec: ScanSpec, stored: StoredRef | None, known: Capability | None, mark: str
) -> bool:
    """Whether what is stored answers the question with this fingerprint."""
    return (
        spec.refresh is Refresh.IF_CHANGED
        and stored is not None
        and not stored.edited
        and not stored.failed_run
        and known is not None
        and known.provenance is not None
        and known.provenance.fingerprint == mark
    )


class Settler:
    """Settles the items of one run."""

    def __init__(
        self,
        ports: Ports,
        provider: Answers,
        *,
        scan: str,
        run: Run,
        spec: Callable[[], ScanSpec],
    ) -> None:
        self._ports = ports
        self._provider = provider
        self._store = ports.store
        self._scan = scan
        self._run = run
        self._spec = spec

    async def __call__(self, item: PlannedItem, slot: Slot) -> Settled:
        """Raises ScanError; everything else that goes wrong is the item's failure."""
        turn = _Turn(item, slot, Attempts(self._provider, self._spec, self._ports.jitter))
        try:
            return await self._settle(turn)
        except (ScanError, KubeError):
            raise
        except ItemError as error:
            return await self._fail(turn, error)
        except Exception as error:
            logger.exception(
                "%s: a bug, not an answer", item.ref.name, extra=self._fields(item.ref.name)
            )
            return await self._fail(turn, InternalError(f"{type(error).__name__}: {error}"))

    async def _settle(self, turn: _Turn) -> Settled:
        name, stored = turn.item.ref.name, turn.item.stored
        try:
            async with self._ports.reads:
                crd = turn.crd = await self._ports.crds.read(name)
                digest = digest_crd(crd)
        except NotFound:
            return CrdSkipped(name)
        mark = fingerprint(digest, self._provider.identity)
        key = plan_key(capability.ref_of(crd), self._provider.identity)
        known = turn.known = await self._store.read(name) if stored else None
        if stored and known and still_right(self._spec(), stored, known, mark):
            await self._store.write(capability.unchanged(crd, known, key, stored.run_id))
            return CrdUnchanged(name)
        async with turn.slot.permit():
            try:
                completion = await turn.attempts.ask(self._scan, digest, turn.slot)
            except ItemError as error:
                # Told before the permit goes on: it may be the failure that stops the run.
                return await self._fail(turn, error)
        answered = capability.AnswerRecord(
            scan=self._scan,
            run_id=self._run.id,
            completion=completion,
            fingerprint=fingerprint(digest, completion.identity),
            attempts=turn.attempts.made,
            at=self._ports.now(),
        )
        key = plan_key(capability.ref_of(crd), completion.identity)
        await self._store.write(capability.analysed(crd, answered, key))
        return CrdScanned(name)

    async def _fail(self, turn: _Turn, error: ItemError) -> CrdFailed:
        turn.slot.commit()
        failure = FailedItem(
            name=turn.item.ref.name,
            reason=error.reason,
            message=shorten(error.message, MESSAGE_CHARS_MAX),
            attempts=turn.attempts.made,
            retryable=error.retryable,
            time=self._ports.now(),
        )
        if turn.crd:
            await self._store_failure(turn.crd, turn, failure)
        return CrdFailed(failure)

    async def _store_failure(self, crd: Crd, turn: _Turn, failure: FailedItem) -> None:
        """Where this does not work a restart asks again; that is all that can be done."""
        entry = capability.failed(crd, turn.known, turn.item.stored, failure, self._run.id)
        try:
            await self._store.write(entry)
        except StoreRejected as rejected:
            logger.warning(
                "%s: its failure cannot be stored: %s", failure.name, rejected,
                extra=self._fields(failure.name) | {"reason": rejected.reason},
            )  # fmt: skip

    def _fields(self, crd: str) -> dict[str, str]:
        """What a log line is about."""
        return {"scan": self._scan, "run": self._run.id, "crd": crd}
