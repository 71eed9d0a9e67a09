"""Quotes what others say: short, on one line, safe to print, and without the API key.

The key is looked for after the text was cleaned: a mark that nobody sees would hide it before, and
fall away later. Honest servers quote a key whole or in part; nothing helps against a server that
wants to show a key that it was sent.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from capscan.core.answer.reading import clean
from capscan.core.text import shorten

QUOTE_CHARS_MAX = 240
SECRET_CHARS_MIN = 8
"""Shorter keys are placeholders for local servers: words like any other, and no secrets. So long is
also the shortest part of a key that is not shown."""
LONG_PART_CHARS = 16
"""So much of a key in an answer is no accident."""
HIDDEN = "***"

_READ_CHARS_MAX = 4_000
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]{0,32}[ -/]{0,8}[@-~]|[@-Z\\^_])")
_UNSEEN = re.compile(r"[^!-~]+")
_DASHES = {ord(dash): "-" for dash in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"}


def quoted(text: str, secret: str, chars_max: int = QUOTE_CHARS_MAX) -> str:
    """Return the text as it may stand in a message."""
    return shorten(redacted(clean(text[:_READ_CHARS_MAX]), secret), chars_max)


def redacted(text: str, secret: str) -> str:
    """Return the text with HIDDEN where it has the secret, or a part of it that is not short.

    Letter case, blanks in between and other forms of a character (NFKC) do not matter.
    """
    key = _plain(secret)
    if len(key) < SECRET_CHARS_MIN:
        return text
    plain, origins = _with_origins(text)
    parts = {key[at : at + SECRET_CHARS_MIN] for at in range(len(key) - SECRET_CHARS_MIN + 1)}
    covered = bytearray(len(text))
    for at in range(len(plain) - SECRET_CHARS_MIN + 1):
        if plain[at : at + SECRET_CHARS_MIN] in parts:
            first, last = origins[at], origins[at + SECRET_CHARS_MIN - 1]
            covered[first : last + 1] = b"\x01" * (last + 1 - first)
    return _hidden(text, covered) if any(covered) else text


def holds(answer: str | Mapping[str, Any], secret: str) -> bool:
    """Return whether an answer has the secret in it, or a long part, in any form that `redacted`
    knows.
    """
    key = _plain(secret)
    if len(key) < SECRET_CHARS_MIN:
        return False
    chars = min(len(key), LONG_PART_CHARS)
    if not isinstance(answer, str):
        try:
            answer = json.dumps(answer, ensure_ascii=False)
        except RecursionError:  # it is no analysis either
            return False
    plain = _plain(answer)
    return any(key[at : at + chars] in plain for at in range(len(key) - chars + 1))


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", _ESCAPES.sub("", text)).translate(_DASHES)
    return _UNSEEN.sub("", folded).lower()


def _with_origins(text: str) -> tuple[str, list[int]]:
    """Return the text in plain characters, and for each of them where it stood."""
    plain: list[str] = []
    origins: list[int] = []
    for at, char in enumerate(text):
        for each in char if char.isascii() else _plain(char):
            if "!" <= each <= "~":
                plain.append(each.lower())
                origins.append(at)
    return "".join(plain), origins


def _hidden(text: str, covered: bytearray) -> str:
    shown: list[str] = []
    for char, hide in zip(text, covered, strict=True):
        if not hide:
            shown.append(char)
        elif not shown or shown[-1] != HIDDEN:
            shown.append(HIDDEN)
    return "".join(shown)
