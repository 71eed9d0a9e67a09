"""What goes between the operator and its workers: frames of bytes, with their length before them.

An answer is JSON, which the operator reads into values as it reads everything from outside: a
worker has read what strangers wrote, and is trusted no further.
"""

import struct

from pydantic import TypeAdapter, ValidationError

from capscan.core.crd.digested import DigestedCrd
from capscan.core.errors import DigestFailed

HEAD = struct.Struct("!cI")
"""One letter says what follows, then comes its length in bytes."""

READY = HEAD.pack(b"R", 0)
ANSWER_BYTES_MAX = 4 * 2**20
"""The longest answer is a tenth of that."""

_DIGESTED = TypeAdapter(DigestedCrd)


def frame(kind: bytes, content: bytes) -> bytes:
    """Return the content with its head."""
    return HEAD.pack(kind, len(content)) + content


def digested_frame(digested: DigestedCrd) -> bytes:
    """Return the frame of a digest."""
    return frame(b"D", _DIGESTED.dump_json(digested))


def failed_frame(message: str) -> bytes:
    """Return the frame of a CRD that cannot be digested."""
    return frame(b"F", message.encode(errors="replace"))


def read_answer(kind: bytes, content: bytes) -> DigestedCrd:
    """Return the digest that a worker sent. Raises DigestFailed."""
    if kind != b"D":
        raise DigestFailed(content.decode(errors="replace"))
    try:
        return _DIGESTED.validate_json(content)
    except ValidationError as error:
        raise DigestFailed("the worker's answer is no digest") from error
