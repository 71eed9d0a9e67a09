"""Digests CRDs without holding up the event loop: large ones in worker processes.

A thread would not help: to parse a CRD is one call that holds the interpreter. Small CRDs are
digested at once, because to hand them over would take longer than to do it. There are at most
WORKERS_MAX processes, started when they are needed and ended once they rest for a while.
"""

import logging
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from capscan.core.crd.digested import DigestedCrd, digest_bytes
from capscan.core.errors import DigestFailed
from capscan.workers.worker import Worker, WorkerDied

logger = logging.getLogger(__name__)

INLINE_BYTES_MAX = 64 * 1024
"""A CRD of this size takes 2 ms, and 20 ms if somebody has done their worst; nine of ten are
smaller."""
DIGEST_TIMEOUT_S = 10.0
"""The largest CRDs of real clusters take a fiftieth of that."""
WORKERS_MAX = 2
"""So that one CRD which takes all of its time does not hold up the others."""
WORKER_ITEMS_MAX = 100
"""After so many CRDs a worker is replaced, and gives back the memory that the largest took."""
REST_S = 30.0
"""A worker without work is ended after so long: it holds 35 MiB."""
_TRIES = 2


class DigestWorkers:
    """The workers of this process. None is left when the block ends in which it is used."""

    def __init__(self, *, timeout_s: float = DIGEST_TIMEOUT_S, rest_s: float = REST_S) -> None:
        self._timeout_s = timeout_s
        self._rest_s = rest_s
        self._places = anyio.Semaphore(WORKERS_MAX)
        self._resting: list[Worker] = []
        self._tasks: TaskGroup = anyio.create_task_group()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        return await self._tasks.__aexit__(kind, error, traceback)

    async def digest(self, raw: bytes) -> DigestedCrd:
        """Digest a CRD as the API server sends it. Raises DigestFailed."""
        if len(raw) <= INLINE_BYTES_MAX:
            return digest_bytes(raw)
        async with self._places:
            for last in range(_TRIES):
                try:
                    return await self._digest(raw)
                except WorkerDied as error:
                    logger.warning("a worker died over a CRD of %d bytes: %s", len(raw), error)
                    if last == _TRIES - 1:
                        raise DigestFailed(
                            f"the process that shortens its schema died over it, {_TRIES} times: "
                            f"{error}"
                        ) from error
        raise AssertionError  # the last try returns or raises

    async def _digest(self, raw: bytes) -> DigestedCrd:
        worker = self._resting.pop() if self._resting else await Worker.start(self._timeout_s)
        worker.resting.cancel()
        try:
            found = await worker.digest(raw, self._timeout_s)
        except DigestFailed:
            await self._rest(worker)
            raise
        except TimeoutError as error:
            raise DigestFailed(
                f"its schema could not be shortened within {self._timeout_s:g} s "
                f"(the CRD has {len(raw)} bytes)"
            ) from error
        await self._rest(worker)
        return found

    async def _rest(self, worker: Worker) -> None:
        """Keep the worker for the next CRD, for a while."""
        if worker.asked >= WORKER_ITEMS_MAX:
            await worker.close()
            return
        worker.resting = anyio.CancelScope()
        self._resting.append(worker)
        self._tasks.start_soon(self._close_rested, worker, worker.resting)

    async def _close_rested(self, worker: Worker, resting: anyio.CancelScope) -> None:
        """Close a worker once it has rested long enough, or when all end."""
        try:
            with resting:
                await anyio.sleep(self._rest_s)
        finally:
            if worker in self._resting and worker.resting is resting:
                self._resting.remove(worker)
                await worker.close()
