"""What a reply may be made of: so many header fields, one known encoding, so many chunks."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing

import httpcore2
import httpx2

from capscan.inference.api.network import too_much

HEADERS_MAX = 200
CHUNKS_MAX = 20_000
"""Each is an event of the parser. A model that streams has a chunk for a token, at most 8,192."""
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
"""Those that httpx2 decodes piece by piece. None is asked for; some gateways send gzip anyway."""


def check_head(headers: httpx2.Headers) -> None:
    """Raise InvalidAnswer where the head is too long, or the body in an encoding that is not read.

    One encoding inside another makes gigabytes of a few kilobytes.
    """
    if len(headers.raw) > HEADERS_MAX:
        raise too_much(f"the reply has more than {HEADERS_MAX} header fields")
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise too_much("the reply is encoded in a way that nobody asked for (Content-Encoding)")


class BoundedBody(httpx2.AsyncByteStream):
    """The body of a response, of so many chunks at most; `translated` names foreign errors anew."""

    def __init__(
        self,
        response: httpcore2.Response,
        translated: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._response = response
        self._translated = translated

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = 0
        with self._translated():
            async with aclosing(self._response.aiter_stream()) as stream:
                async for chunk in stream:
                    chunks += 1
                    if chunks > CHUNKS_MAX:
                        raise too_much(f"the reply comes in more than {CHUNKS_MAX} pieces")
                    yield chunk

    async def aclose(self) -> None:
        with self._translated():
            await self._response.aclose()
