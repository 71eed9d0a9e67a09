"""Finds the words in which a server complains about a request.

They are searched for the part of the request that is meant, so all of them are kept: other than in
a message for people, nothing is cut. Some servers repeat the request in their error. That is left
out, since a CRD may speak of anything.
"""

from collections.abc import Iterator, Mapping

from capscan.inference.api.http import HttpReply

WORDS_CHARS_MAX = 8_000
_DEPTH_MAX = 16
_REPEATED = frozenset({"input", "messages", "prompt", "request", "system", "headers", "ctx"})
"""Names under which servers repeat what they were sent."""


def complaint(reply: HttpReply) -> str:
    """Return all words of an error; empty for a web page."""
    if reply.is_web_page:
        return ""
    value = reply.json()
    found = reply.body.decode(errors="replace") if value is None else " ".join(_texts(value))
    # A template that fails is printed whole by some servers, and speaks of every part there is.
    return found[:WORDS_CHARS_MAX].partition("{%")[0]


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    """Yield all texts below a value."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        if value and all(isinstance(item, str | int) for item in value):
            yield ".".join(str(item) for item in value)  # the way to a part of the request
            return
        for item in value:
            yield from _texts(item, depth + 1)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _REPEATED:
                yield from _texts(inner, depth + 1)
