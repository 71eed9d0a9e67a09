"""The program of a worker: digests one CRD after the other, until the operator is gone.

CRDs come in on standard input and answers go out on standard output, as `wire.py` says. Where one
takes too long the operator kills the process. Where the operator has gone meanwhile, the process
ends by itself.
"""

import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from capscan.core.crd.digested import digest_bytes
from capscan.core.errors import DigestFailed
from capscan.workers.wire import HEAD, READY, digested_frame, failed_frame

MEMORY_BYTES_MAX = 160 * 2**20
"""Address space. A worker begins with 40 MiB; the worst CRD of 1.5 MB that was found takes 90."""


def main(alone_s: int) -> None:
    """Work until standard input ends; `alone_s` seconds after a CRD came the process ends by
    itself, even in the middle of a pattern.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing gets between the answers
    _limit()
    _send(answers, READY)
    while (raw := _next(sys.stdin.buffer)) is not None:
        signal.alarm(alone_s)
        _send(answers, _answer(raw))
        signal.alarm(0)


def _limit() -> None:
    """Bound the memory, write no core files, and be the first that the kernel ends if there is no
    memory left.
    """
    for kind, limit in ((resource.RLIMIT_AS, MEMORY_BYTES_MAX), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _next(source: BinaryIO) -> bytes | None:
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    length = HEAD.unpack(head)[1]
    raw = source.read(length)
    return raw if len(raw) == length else None


def _answer(raw: bytes) -> bytes:
    try:
        return digested_frame(digest_bytes(raw))
    except DigestFailed as error:
        return failed_frame(error.message)
    except MemoryError:
        return failed_frame("it takes more memory than a worker may have")


def _send(answers: BinaryIO, answer: bytes) -> None:
    with suppress(BrokenPipeError):  # then standard input ends as well
        answers.write(answer)
        answers.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
