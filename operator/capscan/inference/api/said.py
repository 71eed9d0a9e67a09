"""What the body of a response says that is no answer, whatever shape that has.

Known are OpenAI's and Anthropic's `{"error": {...}}`, a text or a list there, `{"errors": [...]}`,
`{"message"}`, `{"detail"}`, `{"fault"}`, problem details (RFC 9457), and those of some gateways;
lists of these, and JSON in a text of these, which is how one gateway hands on what another said.
Of a web page the title is told, never its tags. What the words mean is for `account_words.py`,
`room_words.py` and `refusal.py`.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from capscan.inference.api.http import HttpReply

DEPTH_MAX = 8
"""So deep are errors unpacked that hold other errors."""
PARTS_MAX = 24
"""So many parts of an error are looked at."""
SEARCHED_CHARS_MAX = 16_000
"""So much of an error's words is searched: its beginning, and a quarter from its end."""

_INNER = ("error", "errors", "fault", "base_resp")
_MESSAGES = (
    "message", "Message", "msg", "error_msg", "error_message", "errorMessage", "faultstring",
    "status_msg", "error_description", "detail", "title", "reason",
)  # fmt: skip
_CODES = (
    "code", "type", "status", "status_code", "statusCode", "error_code", "errorcode", "error_type",
    "Code", "__type",
)  # fmt: skip
_NESTED = ("raw", "details", "metadata")
"""Where the words of another server stand in an error."""
_JSON_STARTS_MAX = 4
_ASKED = re.compile(r"""['"]input['"]: ?['"{\[].*""", re.DOTALL)
"""Where a server quotes the question: what comes after that is not what it says itself."""
_SHOWN = tuple(
    (
        re.compile(rf"<{name}(?:\s[^<>]{{0,500}})?>", re.IGNORECASE),
        re.compile(rf"</{name}", re.IGNORECASE),
    )
    for name in ("title", "h1", "Message")
)
"""The elements of which the first one says what a page is about: how they begin and end."""
_TAG = re.compile(r"<[^<>]{0,2000}>")
_UNSHOWN = re.compile(r"<(script|style|!--)")
_PAGE_CHARS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Said:
    """What the body of an error says."""

    message: str = ""
    """For a person."""
    codes: str = ""
    """All codes and types, with blanks between them."""
    parts: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """The objects of which it was read, the outermost first."""

    @property
    def words(self) -> str:
        """The words to search: some providers say it in a code, some in the message."""
        words = _ASKED.sub("", f"{self.codes}\n{self.message}")
        if len(words) <= SEARCHED_CHARS_MAX:
            return words
        tail = SEARCHED_CHARS_MAX // 4
        return f"{words[: SEARCHED_CHARS_MAX - tail]}\n{words[-tail:]}"

    @property
    def allows_nothing(self) -> bool:
        """Whether the limit that was exceeded is one of nothing at all: no waiting changes that."""
        return any(_is_nothing(part) for part in self.parts)


def _is_nothing(part: Mapping[str, Any]) -> bool:
    metadata, violations = part.get("metadata"), part.get("violations")
    told = [metadata] if isinstance(metadata, Mapping) else []
    if isinstance(violations, list):
        told += [each for each in violations[:PARTS_MAX] if isinstance(each, Mapping)]
    return any(
        str(each.get(name)) == "0" for each in told for name in ("quota_limit_value", "quotaValue")
    )


def said_by(reply: HttpReply) -> Said:
    """Return what a reply says: its JSON, the title of a page, or its text."""
    if (said := said_in(reply.json())) is not None:
        return said
    text = reply.body.decode(errors="replace")
    return Said(shown(text) if text.lstrip("\ufeff \t\r\n").startswith("<") else text)


def said_in(value: object) -> Said | None:
    """Return what the body of an error says; None where it has no shape that is known."""
    found = _Reader()
    message = found.read(value, DEPTH_MAX)
    if not found.parts:
        return None
    return Said(message, " ".join(found.codes), tuple(found.parts))


def shown(page: str) -> str:
    """Return what a page says: its title, else its first heading, else its text without tags."""
    page = page[:_PAGE_CHARS_MAX]
    for opening, closing in _SHOWN:
        if text := _inside(page, opening, closing):
            return text
    if unshown := _UNSHOWN.search(page):
        page = page[: unshown.start()]
    return " ".join(html.unescape(_TAG.sub(" ", page)).split())


def _inside(page: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> str:
    """Return the text of the first element with such tags."""
    opened = opening.search(page)
    if not opened:
        return ""
    rest = page[opened.end() : opened.end() + 2_000]
    closed = closing.search(rest)
    text = rest[: closed.start()] if closed else rest.partition("<")[0]
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


class _Reader:
    """Gathers the codes and objects of one error while its message is put together."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.parts: list[Mapping[str, Any]] = []

    def read(self, value: object, depth: int) -> str:
        if isinstance(value, list):
            value = next((item for item in value[:PARTS_MAX] if item), None)
        if isinstance(value, str):
            return self._text(value, depth)
        if not isinstance(value, Mapping) or depth <= 0 or len(self.parts) >= PARTS_MAX:
            return _as_text(value)
        self.parts.append(value)
        self._add_codes(value)
        inner = next((value[key] for key in _INNER if value.get(key)), None)
        said = self.read(inner, depth - 1) if inner is not None else ""
        own = said or self._message(value, depth)
        param = value.get("param")
        if isinstance(param, str) and param not in ("", "None", "null") and param not in own:
            own = f"{own} ({param})"
        return self._with_nested(own, value, depth)

    def _message(self, value: Mapping[str, Any], depth: int) -> str:
        """Return the first message that is there; of problem details title and detail."""
        found = [(key, value[key]) for key in _MESSAGES if value.get(key)]
        texts = [self._told(key, each, depth) for key, each in found[:2]]
        if [key for key, _ in found[:2]] == ["detail", "title"]:
            return f"{texts[1]}: {texts[0]}"
        return texts[0] if texts else ""

    def _told(self, key: str, value: object, depth: int) -> str:
        if key == "detail" and isinstance(value, list):
            return "; ".join(_complaints(value)) or self.read(value, depth - 1)
        return self.read(value, depth - 1)

    def _with_nested(self, own: str, value: Mapping[str, Any], depth: int) -> str:
        """Add what another server said, which gateways put beside their own words."""
        for key in _NESTED:
            nested = value.get(key)
            if isinstance(nested, list):
                for item in nested[:PARTS_MAX]:
                    self._add_part(item)
            elif isinstance(nested, str | Mapping):
                text = self.read(nested, depth - 1)
                if text and text not in own:
                    own = f"{own}: {text}" if own else text
        return own

    def _add_part(self, item: object) -> None:
        if isinstance(item, Mapping) and len(self.parts) < PARTS_MAX:
            self.parts.append(item)
            if isinstance(reason := item.get("reason"), str):
                self.codes.append(reason)

    def _text(self, text: str, depth: int) -> str:
        """Return a text, in which JSON is replaced by what that says."""
        start = -1
        for _ in range(_JSON_STARTS_MAX):
            start = min(
                (at for mark in "{[" if (at := text.find(mark, start + 1)) >= 0), default=-1
            )
            if start < 0 or depth <= 0:
                break
            try:
                found, end = json.JSONDecoder().raw_decode(text, start)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, Mapping) or (found and isinstance(found[0], Mapping)):
                before = len(self.parts)
                said = self.read(found, depth - 1)
                if said and len(self.parts) > before:
                    return f"{text[:start]}{said}{text[end:]}"
        return text

    def _add_codes(self, value: Mapping[str, Any]) -> None:
        for key in _CODES:
            code = value.get(key)
            if isinstance(code, str | int) and not isinstance(code, bool) and code not in ("", 0):
                self.codes.append(str(code) if isinstance(code, str) else _as_text(code))


def _complaints(items: list[Any]) -> Iterator[str]:
    """Return what FastAPI says of a request's parts; it quotes the part itself, too."""
    for item in items[:PARTS_MAX]:
        if isinstance(item, Mapping) and isinstance(item.get("msg"), str):
            where = item.get("loc")
            place = ".".join(str(each) for each in where) if isinstance(where, list) else ""
            yield f"{place}: {item['msg']}" if place else item["msg"]


def _as_text(value: object) -> str:
    """Return a value as text: some servers send objects where others send a text."""
    if value is None:
        return ""
    try:
        return json.dumps(value)
    except (RecursionError, ValueError):  # who nests that deep says nothing else
        return ""
