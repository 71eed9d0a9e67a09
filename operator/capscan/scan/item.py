"""One CRD from its turn to its end: read, digest, ask, store, report.

The result is stored before it is reported, so that a process that dies in between has lost
nothing but the news.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from capscan.core import capability
from capscan.core.digest import Digest, digest_crd
from capscan.core.errors import (
    InferenceError,
    InferenceTimeout,
    InternalError,
    ItemError,
    KubeError,
    NotFound,
    ScanError,
    StoreRejected,
)
from capscan.core.events import CrdFailed, CrdScanned, CrdSkipped, CrdUnchanged, Settled
from capscan.core.plan import PlannedItem, fingerprint, plan_key
from capscan.core.retry import retry_delay_s
from capscan.model import Capability, Completion, Crd, FailedItem, Refresh, Run, ScanSpec
from capscan.model.duration import format_duration
from capscan.scan.ports import Ports

logger = logging.getLogger(__name__)

READS_MAX = 4
"""CRDs being read and digested at once: the largest take 3 MB as text and ten times that as
objects, and parsing holds the interpreter anyway."""

MESSAGE_CHARS_MAX = 500


@dataclass(slots=True)
class _Attempts:
    """How often the provider was asked, and what it last said."""

    count: int = 0
    last_error: InferenceError | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    """What one item asks, and what is known before the answer."""

    crd: Crd
    digest: Digest
    known: Capability | None
    mark: str
    key: str


class Settler:
    """Settles the items of one run."""

    def __init__(self, ports: Ports, *, scan: str, run: Run, spec: Callable[[], ScanSpec]) -> None:
        self._ports = ports
        self._provider = ports.provider
        self._store = ports.store
        self._scan = scan
        self._run = run
        self._spec = spec
        self._reads = anyio.CapacityLimiter(READS_MAX)

    async def __call__(self, item: PlannedItem) -> Settled:
        """Raises ScanError; everything else that goes wrong is the item's failure."""
        name = item.ref.name
        try:
            async with self._reads:
                crd = await self._ports.crds.read(name)
                digest = digest_crd(crd)
        except NotFound:
            return CrdSkipped(name)
        mark = fingerprint(digest, self._provider.identity)
        key = plan_key(capability.ref_of(crd), self._provider.identity)
        known = await self._store.read(name) if item.stored else None
        if known and self._still_right(item, known, mark):
            run_id = item.stored.run_id if item.stored else None
            await self._store.write(capability.unchanged(crd, known, key, run_id))
            return CrdUnchanged(name)
        return await self._ask(item, _Question(crd, digest, known, mark, key))

    def _still_right(self, item: PlannedItem, known: Capability, mark: str) -> bool:
        stored = item.stored
        return (
            self._spec().refresh is Refresh.IF_CHANGED
            and stored is not None
            and not stored.edited
            and not stored.failed_run
            and known.provenance is not None
            and known.provenance.fingerprint == mark
        )

    async def _ask(self, item: PlannedItem, question: _Question) -> Settled:
        attempts = _Attempts()
        try:
            completion = await self._in_time(question.digest, attempts)
            answered = capability.Answered(
                scan=self._scan,
                run_id=self._run.id,
                provider=self._provider.name,
                model=self._provider.model,
                fingerprint=question.mark,
                attempts=attempts.count,
                at=self._ports.now(),
            )
            await self._store.write(
                capability.analysed(question.crd, completion.analysis, answered, question.key)
            )
        except (ScanError, KubeError):
            raise
        except ItemError as error:
            return await self._fail(item, question, error, attempts.count)
        except Exception as error:
            logger.exception("%s: a bug, not an answer", item.ref.name)
            bug = InternalError(f"{type(error).__name__}: {error}")
            return await self._fail(item, question, bug, attempts.count)
        return CrdScanned(item.ref.name, attempts.count)

    async def _in_time(self, digest: Digest, attempts: _Attempts) -> Completion:
        limit = self._spec().item_timeout
        with anyio.move_on_after(limit.total_seconds()):
            return await self._attempt(digest, attempts)
        last = f"; the last error was: {attempts.last_error}" if attempts.last_error else ""
        raise InferenceTimeout(
            f"no answer within {format_duration(limit)}, {attempts.count} attempts{last}"
        )

    async def _attempt(self, digest: Digest, attempts: _Attempts) -> Completion:
        while True:
            attempts.count += 1
            try:
                return await self._provider.complete(digest)
            except InferenceError as error:
                attempts.last_error = error
                delay_s = retry_delay_s(
                    error, attempts.count, self._spec().max_attempts, self._ports.jitter()
                )
                if delay_s is None:
                    raise
            await anyio.sleep(delay_s)

    async def _fail(
        self, item: PlannedItem, question: _Question, error: ItemError, attempts: int
    ) -> CrdFailed:
        failure = FailedItem(
            name=item.ref.name,
            reason=error.reason,
            message=capability.shorten(error.message, MESSAGE_CHARS_MAX),
            attempts=attempts,
            retryable=error.retryable,
            time=self._ports.now(),
        )
        entry = capability.failed(question.crd, question.known, item.stored, failure, self._run.id)
        try:
            await self._store.write(entry)
        except StoreRejected as rejected:
            # Without the entry a restart asks again; that is all that can be done.
            logger.warning("%s: its failure cannot be stored: %s", item.ref.name, rejected)
        return CrdFailed(failure)
