"""Finds the answer in what a model sent: amid thoughts, in wrappers, in a tool call, as text.

An answer is an object with fields of an analysis. Of several the last one counts that has most of
them: what comes before it are drafts. What the fields say is read in `reading.py`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from capscan.core.answer.lenient_json import json_objects
from capscan.core.answer.prompt import answer_schema
from capscan.core.answer.thoughts import THOUGHT_NAMES, Piece, told

_NOT_IN_NAMES = re.compile(r"[\W_]")
NAMES = {name.lower(): name for name in answer_schema()["properties"]}
"""The proper names of the fields, by how they are compared."""

_ATTEMPT_FIELDS_MIN = 4
"""An object with so many of the fields was meant as an answer, whatever it lacks."""
_DEPTH_MAX = 6
_NODES_MAX = 256
_ITEMS_MAX = 16
_DRAFT = re.compile(rf"(?:{THOUGHT_NAMES}|drafts?)(?:_?content)?", re.IGNORECASE)
_PARAMETER = re.compile(
    r"<(?:[|｜]DSML[|｜])?(?:antml:)?parameter(?:=| {1,4}name ?= ?)[\"']?(\w{1,40})[\"']?"
    r"(?: [^<>]{0,80})?>"
    r"|<arg_key>\s{0,9}(\w{1,40})\s{0,9}</arg_key>\s{0,9}<arg_value>"
)
_PARAMETER_END = re.compile(r"</(?:[|｜]DSML[|｜])?(?:antml:)?(?:parameter|arg_value)>")


def named(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields by their proper names: models write `use_case` and `Use Case` as well."""
    fields: dict[str, Any] = {}
    for key, value in found.items():
        name = NAMES.get(_NOT_IN_NAMES.sub("", str(key)[:40]).lower())
        if name and value is not None:
            fields.setdefault(name, value)
    return fields


def fields_in(answer: str | Mapping[str, Any], *, whole: bool = False) -> dict[str, Any] | None:
    """Return the fields of the answer; none where an object is there that has no field, and None
    where there is no object. `whole`: only whole JSON counts.
    """
    search = _Search(whole=whole)
    if isinstance(answer, str):
        return search.in_text(answer, 0)
    return search.best([answer], 0)


def fields_thought(thoughts: str) -> dict[str, Any] | None:
    """Return the fields of an answer with which thoughts end: what stands elsewhere is a draft."""
    parts = told(thoughts)
    for piece in (parts.endless, *reversed(parts.said)):
        if piece.text.strip():
            return _Search(whole=True).closing(piece)
    return None


class _Search:
    """One search, whose work is bounded over all depths."""

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.nodes_left = _NODES_MAX

    def in_text(self, text: str, depth: int) -> dict[str, Any] | None:
        parts = told(_decoded(text.strip("\ufeff \t\r\n")))
        found = None
        for pieces in (parts.said, parts.before, [parts.after]):
            here = self._in_pieces(pieces, depth)
            if here:
                return here
            found = here if found is None else found
        return self.closing(parts.endless) or self._in_pieces([parts.analysis], depth) or found

    def closing(self, piece: Piece) -> dict[str, Any] | None:
        last = piece.last_word
        found = None if last is None else self.best([last], 1)
        return found if found and len(found) >= _ATTEMPT_FIELDS_MIN else None

    def best(self, objects: Iterable[Mapping[str, Any]], depth: int) -> dict[str, Any] | None:
        """Return the fields of the last attempt at an answer, else the most fields there are."""
        best: dict[str, Any] | None = None
        for outer in objects:
            for found in self._nested(outer, depth):
                fields = named(found)
                attempt = len(fields) >= _ATTEMPT_FIELDS_MIN
                if best is None or attempt or len(fields) >= len(best):
                    best = fields
        return best

    def _in_pieces(self, pieces: list[Piece], depth: int) -> dict[str, Any] | None:
        whole = [found for piece in pieces for _, found in piece.objects]
        if self.whole:
            return self.best(whole, depth)
        slips = (found for piece in pieces for found in json_objects(piece.text))
        found = self.best(slips, depth)
        if found is None or len(found) < _ATTEMPT_FIELDS_MIN:
            parameters = named(_parameters("".join(piece.text for piece in pieces)))
            found = max((self.best(whole, depth), found, parameters or None), key=_count)
        return found

    def _nested(self, found: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
        """Yield an object and what it wraps, such as `{"analysis": {...}}`, a tool call or JSON in
        a text; thoughts in it are left out.
        """
        self.nodes_left -= 1
        if self.nodes_left < 0 or depth > _DEPTH_MAX:
            return
        yield found
        if len(named(found)) >= _ATTEMPT_FIELDS_MIN:
            return
        for key, value in found.items():
            if _DRAFT.fullmatch(str(key)[:40]):
                continue
            for inner in value[:_ITEMS_MAX] if isinstance(value, list) else [value]:
                if isinstance(inner, str) and "{" in inner:
                    inner = self.in_text(inner, depth + 1)  # noqa: PLW2901
                if isinstance(inner, Mapping):
                    yield from self._nested(inner, depth + 1)


def _decoded(text: str) -> str:
    """Return the text in a JSON string, as some gateways wrap an answer."""
    for _ in range(2):
        if not text.startswith('"'):
            break
        try:
            inner = json.loads(text, strict=False)
        except (ValueError, RecursionError):
            break
        text = inner.strip() if isinstance(inner, str) else text
    return text


def _count(fields: dict[str, Any] | None) -> int:
    return -1 if fields is None else len(fields)


def _parameters(text: str) -> dict[str, Any]:
    """Return the parameters of a tool call that is written in tags."""
    found: dict[str, Any] = {}
    begun = list(_PARAMETER.finditer(text))
    for this, following in zip(begun, [*begun[1:], None], strict=False):
        value = text[this.end() : following.start() if following else len(text)]
        end = _PARAMETER_END.search(value)
        found[this[1] or this[2]] = _value(value[: end.start()].strip() if end else value.strip())
    return found


def _value(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value
