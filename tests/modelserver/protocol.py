"""What the two providers' protocols have in common: the question, the answer, and how a protocol
is asked to word them. `anthropic.py` and `openai.py` are the two.

A token is four bytes of UTF-8, rounded up over system and messages together; tools and schemas are
not counted.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal, Protocol

from tests.modelserver.behaviour import Behaviour
from tests.modelserver.buckets import Bucket

Json = dict[str, Any]
Headers = dict[str, str]

_NAME = re.compile(r"^[ \t]*name: (\S+)", re.MULTILINE)
_KIND = re.compile(r"^[ \t]*kind: (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Ask:
    """A question, read from either protocol."""

    model: str
    name: str
    """Of the CRD: the first line of the messages like `name: certificates.cert-manager.io`."""
    kind: str
    prompt_bytes: int
    prefix: str
    """What the provider may keep in its cache; empty: nothing."""
    max_tokens: int | None
    tool: str = ""
    """The tool that must be used."""

    @property
    def input_tokens(self) -> int:
        return -(-self.prompt_bytes // 4)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. What was read from and written to the cache is no part of `uncached`."""

    uncached: int
    cache_created: int = 0
    cache_read: int = 0
    output: int = 0

    @property
    def input(self) -> int:
        return self.uncached + self.cache_created + self.cache_read


@dataclass(frozen=True, slots=True)
class Said:
    """What the model has to say."""

    text: str
    stop: Literal["end", "length", "refusal", "filter"] = "end"


@dataclass(frozen=True, slots=True)
class Reply:
    """The response that goes out."""

    status: int
    body: Json
    headers: Headers = field(default_factory=dict)
    text: str = ""
    """What goes out instead of the body: a page, or words that no protocol has."""

    @property
    def content(self) -> bytes:
        """What goes out."""
        return (self.text or json.dumps(self.body, ensure_ascii=False)).encode()

    @property
    def content_type(self) -> str:
        """How it is labelled."""
        return "text/html" if self.text.startswith("<") else "application/json"


class Refused(Exception):
    """The request is answered with something else than what it asked for."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of an account, for the headers that tell it."""

    buckets: Mapping[str, Bucket]
    now: float
    wall: datetime
    requests_admitted: int
    behaviour: Behaviour


class Dialect(Protocol):
    """How one provider says it: implemented by a module."""

    NAME: str
    OVERLOADED: int
    """The status that says so."""

    def key(self, headers: Mapping[str, str]) -> str: ...

    def read(self, body: Json, headers: Mapping[str, str], behaviour: Behaviour) -> Ask: ...

    def charges(self, ask: Ask, usage: Usage) -> dict[str, int]: ...

    def completion(self, serial: int, ask: Ask, said: Said, usage: Usage) -> Json: ...

    def models(self, ids: Sequence[str]) -> Json: ...

    def model(self, id: str) -> Json: ...  # noqa: A002 - as the providers call it

    def limit_headers(self, standing: Standing) -> Headers: ...

    def id_headers(self, serial: int) -> Headers: ...

    def error(self, status: int, message: str = "") -> Reply: ...

    def unknown_model(self, model: str) -> Reply: ...

    def too_long(self, tokens: int, tokens_max: int) -> Reply: ...

    def rate_limited(self, limit: str, wait_s: float) -> Reply: ...

    def no_quota(self) -> Reply: ...

    def filtered(self) -> Reply | None: ...


def tokens(text: str) -> int:
    """Return the number of tokens: one is four bytes."""
    return -(-len(text.encode()) // 4)


def cut(text: str, tokens_max: int) -> str:
    """Return as much of the text as so many tokens hold."""
    return text.encode()[: tokens_max * 4].decode(errors="ignore")


def find_crd(text: str) -> tuple[str, str]:
    """Return name and kind, as the digest's header tells them."""
    name, kind = _NAME.search(text), _KIND.search(text)
    return name.group(1) if name else "", kind.group(1) if kind else ""


def block_text(content: object) -> str:
    """Return the text of a message, which is a string or a list of blocks."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "".join(block.get("text", "") for block in blocks if isinstance(block, dict))


def phrase(status: int) -> str:
    """Return what HTTP calls the status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def parsed(text: str) -> object | None:
    """Return the JSON in a text that holds nothing else."""
    try:
        found: object = json.loads(text)
    except ValueError:
        return None
    return found
