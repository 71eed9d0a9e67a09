"""Settles one CRD: read it, digest it, ask about it, store the answer, report.

The result is stored before it is reported, so that a process that dies in between has lost
nothing but the report. Reading and digesting is in `reading.py`, trying again in `attempts.py`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from capscan.core.answer import capability
from capscan.core.errors import InternalError, ItemError, ScanError, StoreRejected
from capscan.core.kube_errors import KubeError, NotFound
from capscan.core.run.events import CrdFailed, CrdScanned, CrdSkipped, CrdUnchanged, Settled
from capscan.core.run.lifecycle import asking
from capscan.core.run.plan import PlannedItem, fingerprint, plan_key
from capscan.core.text import shorten
from capscan.model import CrdIdentity, FailedItem, Run, ScanSpec
from capscan.scan.attempts import Attempts
from capscan.scan.engine import Slot
from capscan.scan.ports import Answers, Ports
from capscan.scan.reading import Reading

logger = logging.getLogger(__name__)

MESSAGE_CHARS_MAX = 500


@dataclass(frozen=True, slots=True)
class _Work:
    """One item at work, and what is known of it wherever that may end."""

    reading: Reading
    slot: Slot
    attempts: Attempts

    @property
    def name(self) -> str:
        """Name of the CRD."""
        return self.reading.item.ref.name


class Settler:
    """Settles the items of one run by asking `provider` about them."""

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
        """Settle one item. Raises ScanError; everything else that goes wrong is a failure of the
        item.
        """
        attempts = Attempts(self._provider, self._spec, self._ports.jitter)
        work = _Work(Reading(item), slot, attempts)
        try:
            return await self._settle(work)
        except (ScanError, KubeError):
            raise
        except ItemError as error:
            return await self._fail(work, error)
        except Exception as error:
            logger.exception("%s: a bug, not an answer", work.name, extra=self._fields(work.name))
            return await self._fail(work, InternalError(f"{type(error).__name__}: {error}"))

    async def _settle(self, work: _Work) -> Settled:
        try:
            crd, digest = await work.reading.read(self._ports)
        except NotFound:
            return CrdSkipped(work.name)
        mark = fingerprint(digest, self._provider.identity)
        key = plan_key(capability.ref_of(crd), self._provider.identity)
        if kept := await work.reading.kept(self._ports, self._spec, mark):
            known, stored = kept
            await self._store.write(capability.unchanged(crd, known, key, stored.run_id))
            return CrdUnchanged(work.name)
        async with work.slot.permit():
            try:
                completion = await work.attempts.ask(
                    self._scan, digest, work.slot, run=asking(self._run)
                )
            except ItemError as error:
                # This is told before the permit goes on: it may be the failure that stops the run.
                return await self._fail(work, error)
        answered = capability.AnswerRecord(
            scan=self._scan,
            run_id=self._run.id,
            completion=completion,
            fingerprint=fingerprint(digest, completion.identity),
            attempts=work.attempts.made,
            at=self._ports.now(),
        )
        key = plan_key(capability.ref_of(crd), completion.identity)
        await self._store.write(capability.analysed(crd, answered, key))
        return CrdScanned(work.name)

    async def _fail(self, work: _Work, error: ItemError) -> CrdFailed:
        work.slot.commit()
        failure = FailedItem(
            name=work.name,
            reason=error.reason,
            message=shorten(error.message, MESSAGE_CHARS_MAX),
            attempts=work.attempts.made,
            retryable=error.retryable,
            time=self._ports.now(),
        )
        if work.reading.crd:
            await self._store_failure(work.reading.crd, work.reading, failure)
        return CrdFailed(failure)

    async def _store_failure(self, crd: CrdIdentity, reading: Reading, failure: FailedItem) -> None:
        """Store the failure. Where that does not work a restart asks again, which is all that can
        be done.
        """
        entry = capability.failed(crd, reading.known, reading.item.stored, failure, self._run.id)
        try:
            await self._store.write(entry)
        except StoreRejected as rejected:
            logger.warning(
                "%s: its failure cannot be stored: %s", failure.name, rejected,
                extra=self._fields(failure.name) | {"reason": rejected.reason},
            )  # fmt: skip

    def _fields(self, crd: str) -> dict[str, str]:
        """Return what a log line is about."""
        return {"scan": self._scan, "run": self._run.id, "crd": crd}
