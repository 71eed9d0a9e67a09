"""One worker process, as the operator sees it: started, asked, killed."""

import math
import sys
from dataclasses import dataclass, field
from typing import Self

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from capscan.core.crd.digested import DigestedCrd
from capscan.workers.wire import ANSWER_BYTES_MAX, HEAD, frame, read_answer

START_TIMEOUT_S = 60.0
"""The start takes a quarter of a second, and many times that on a machine that has other work."""
ALONE_S = 5.0
"""A worker whose operator is gone outlives the time limit of its CRD by so much."""


class WorkerDied(Exception):
    """The process ended, or says what it should not. It has been killed."""


@dataclass(slots=True)
class Worker:
    """One process that has begun to listen."""

    process: Process
    answers: BufferedByteReceiveStream
    asked: int = 0
    """How many CRDs it was given."""
    resting: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Ends the wait after which a worker that rests is closed."""

    @classmethod
    async def start(cls, item_timeout_s: float) -> Self:
        """Start one, and wait until it listens. Raises WorkerDied."""
        alone_s = math.ceil(item_timeout_s + ALONE_S)
        # Without the current directory in its path, and in a session of its own: what a terminal
        # or a supervisor sends to the operator's group is for the operator to obey.
        command = [sys.executable, "-P", "-m", "capscan.workers.child", str(alone_s)]
        try:
            # Interrupted in the middle, it would leave a process that nobody knows.
            with anyio.CancelScope(shield=True):
                process = await anyio.open_process(command, stderr=None, start_new_session=True)
        except OSError as error:
            raise WorkerDied(f"it cannot be started: {error}") from error
        assert process.stdout  # noqa: S101 (a pipe was asked for)
        worker = cls(process, BufferedByteReceiveStream(process.stdout))
        try:
            with anyio.fail_after(START_TIMEOUT_S):
                await worker._answer()
        except TimeoutError as error:
            await worker.close()
            raise WorkerDied(f"it did not start within {START_TIMEOUT_S:.0f} s") from error
        except BaseException:
            await worker.close()
            raise
        return worker

    async def digest(self, raw: bytes, timeout_s: float) -> DigestedCrd:
        """Digest a CRD. Raises DigestFailed, TimeoutError, WorkerDied. Whatever it raises but
        DigestFailed, the process is gone afterwards.
        """
        self.asked += 1
        try:
            with anyio.fail_after(timeout_s):
                answer = await self._asked(frame(b"C", raw))
        except BaseException:
            await self.close()
            raise
        return read_answer(*answer)

    async def close(self) -> None:
        """Kill the process, and wait until it is gone."""
        with anyio.CancelScope(shield=True):
            if self.process.returncode is None:
                self.process.kill()
            await self.process.aclose()

    async def _asked(self, question: bytes) -> tuple[bytes, bytes]:
        assert self.process.stdin  # noqa: S101 (a pipe was asked for)
        try:
            await self.process.stdin.send(question)
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise WorkerDied("it ended") from error
        return await self._answer()

    async def _answer(self) -> tuple[bytes, bytes]:
        """Return the next frame: what it is, and what is in it."""
        try:
            kind, length = HEAD.unpack(await self.answers.receive_exactly(HEAD.size))
            if length > ANSWER_BYTES_MAX:
                raise WorkerDied("its answer is too long")
            content = await self.answers.receive_exactly(length) if length else b""
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.ClosedResourceError) as error:
            raise WorkerDied("it ended") from error
        return kind, content
