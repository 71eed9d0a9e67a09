"""Finds JSON objects in what a model wrote: amid prose and fences, with the slips models make.

It forgives comments, trailing commas, raw line breaks and bare quotes in strings, single quotes,
bare keys, Python's constants, and a text that ends too early. What an object means is decided in
`reading.py`.

Its time is bounded: each candidate is read once, in time linear in its length, and candidates are
few. (The library for this, json-repair, takes half a minute over 60 KB of `{"a" {"a" {"a"`.)
"""

import json
import re
from collections.abc import Iterator
from typing import Any

CANDIDATES_MAX = 16
DEPTH_MAX = 32

_STRICT = json.JSONDecoder(strict=False)  # strict would refuse raw line breaks in strings

_GAP = re.compile(r"(?:\s++|//[^\n]*+|#[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+")
_NUMBER = re.compile(r"-?\d{1,32}(?:\.\d{1,32})?(?:[eE][+-]?\d{1,3})?(?![\w.])")
_END = re.compile(r"[\w.+-]{0,32}\Z")
"""Matches half a number or half a constant at the end of a text."""
_WORD = re.compile(r"[A-Za-z_][\w-]*+")
_CONSTANTS = {
    "true": True,
    "false": False,
    "null": None,
    "True": True,
    "False": False,
    "None": None,
}


def _string(quote: str) -> re.Pattern[str]:
    """Return the pattern of a string between such quotes.

    A quote ends a string only where JSON goes on after it; other quotes are part of the text. Group
    2 is the closing quote; without it the text ended inside the string.
    """
    item = r"[\"'{\[}\]\-\d/#]|(?:true|false|null|True|False|None)\b|\w++\s*+:|\Z"
    goes_on = rf"\s++{quote}|\s*+(?:[}}\]:]|,\s*+(?:{item})|//|/\*|\Z)"
    return re.compile(
        rf"{quote}((?:[^{quote}\\]++|\\.|{quote}(?!{goes_on}))*+)({quote})?", re.DOTALL
    )


_CUT = object()
"""Stands for a value at which the text ended."""

_STRINGS = {'"': _string('"'), "'": _string("'")}


class CutText(str):
    """A text that ended with the whole answer: how it would have gone on is not known."""

    __slots__ = ()


class _Unreadable(Exception):
    """What began like an object is none."""


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the outermost objects of a text, in order; at most CANDIDATES_MAX are tried."""
    at = 0
    for _ in range(CANDIDATES_MAX):
        at = text.find("{", at)
        if at < 0:
            return
        try:
            found, at = _object_at(text, at)
        except _Unreadable:
            at += 1
        else:
            yield found


def json_list(text: str) -> list[Any] | None:
    """Return the list in a text that is one, as JSON or as Python writes it; else None."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    found = next(json_objects(f'{{"list":{text}}}'), {}).get("list")
    return found if isinstance(found, list) else None


def _object_at(text: str, at: int) -> tuple[dict[str, Any], int]:
    try:
        found: dict[str, Any]
        found, end = _STRICT.raw_decode(text, at)
    except (ValueError, RecursionError):
        reader = _Reader(text, at)
        found, end = reader.read_object(0), reader.at
    return found, end


class _Reader:
    """Recursive descent over a text that may end anywhere."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def read_object(self, depth: int) -> dict[str, Any]:
        self._take(depth)
        found: dict[str, Any] = {}
        while self._more("}"):
            key = self._key()
            if self._peek() == "":
                break
            if self._peek() != ":":
                raise _Unreadable
            self.at += 1
            if self._peek() == "":
                break
            value = self._value(depth + 1, in_list=False)
            if value is not _CUT:
                found[key] = value
        return found

    def _list(self, depth: int) -> list[Any]:
        self._take(depth)
        found: list[Any] = []
        while self._more("]"):
            value = self._value(depth + 1, in_list=True)
            if value is not _CUT:
                found.append(value)
        return found

    def _take(self, depth: int) -> None:
        """Step over the opening bracket. Raises _Unreadable where the nesting is too deep."""
        if depth > DEPTH_MAX:
            raise _Unreadable
        self.at += 1

    def _more(self, closing: str) -> bool:
        """Step over separators, and return whether an item follows.

        The closing bracket is stepped over too; the end of the text counts as one.
        """
        while (char := self._peek()) == ",":
            self.at += 1
        if char == closing:
            self.at += 1
        return char not in (closing, "")

    def _key(self) -> str:
        if self._peek() in _STRINGS:
            return str(self._string(in_list=False))
        if word := _WORD.match(self.text, self.at):
            self.at = word.end()
            return word.group()
        raise _Unreadable

    def _value(self, depth: int, *, in_list: bool) -> object:
        char = self._peek()
        if char in _STRINGS:
            return self._string(in_list=in_list)
        if char == "{":
            return self.read_object(depth)
        if char == "[":
            return self._list(depth)
        if number := _NUMBER.match(self.text, self.at):
            self.at = number.end()
            return float(number.group())
        word = _WORD.match(self.text, self.at)
        if word and word.group() in _CONSTANTS:
            self.at = word.end()
            return _CONSTANTS[word.group()]
        if _END.match(self.text, self.at):
            self.at = len(self.text)
            return _CUT
        raise _Unreadable

    def _string(self, *, in_list: bool) -> object:
        match = _STRINGS[self.text[self.at]].match(self.text, self.at)
        if match is None:  # it needs no more than the opening quote
            raise _Unreadable
        self.at = match.end()
        if match.group(2) is None:
            self.at = len(self.text)  # half an escape may be left
            # Half an item of a list is left out; half a sentence ends with dots.
            return _CUT if in_list else CutText(f"{_unescaped(match.group(1))}…")
        return _unescaped(match.group(1))

    def _peek(self) -> str:
        """Step over gaps; return the next character, or "" at the end."""
        gap = _GAP.match(self.text, self.at)
        self.at = gap.end() if gap else self.at
        return self.text[self.at : self.at + 1]


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _unescaped(raw: str) -> str:
    """Return a string with JSON's escapes resolved; what else follows a backslash is itself.

    Pairs of surrogates become the character they stand for, single ones the replacement character.
    """
    text = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _SHORT.get(m[2], m[2]), raw)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
