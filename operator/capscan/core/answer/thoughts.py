"""Tells what a model said from what it thought aloud before, by the marks that models use.

A mark inside the string of a JSON object is no mark: objects are found first. Thoughts that never
end may hold the answer all the same; who reads it decides that. The work is linear in the text.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

THOUGHT_NAMES = (
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion)?|scratch_?pad|rationale|"
    r"inner_?(?:monologue|thoughts?)|chain_?of_?thought|cot|deliberation|ant_?thinking)"
)
_NAME = rf"(?:(?:[a-z]{{1,12}}:)?{THOUGHT_NAMES}|analysis)"
_MARK = re.compile(
    rf"(?P<open>(?:<|&lt;){_NAME}(?:\s[^<>]{{0,200}})?(?:>|&gt;)|◁{_NAME}▷|\[{_NAME}\]"
    rf"|<[|｜]{_NAME}[|｜]>|<[|｜](?:begin|start)[_▁ ]?(?:of[_▁ ]?)?{_NAME}[|｜]>"
    r"|<\|channel>\s{0,4}thought|<unused94>(?:\s{0,4}thought)?)"
    rf"|(?P<close>(?:<|&lt;)/\s{{0,4}}{_NAME}\s{{0,4}}(?:>|&gt;)|◁/{_NAME}▷|\[/{_NAME}\]"
    rf"|<[|｜]/{_NAME}[|｜]>|<[|｜]end[_▁ ]?(?:of[_▁ ]?)?{_NAME}[|｜]>"
    r"|<channel\|>|<unused95>)"
    r"|(?P<channel><\|channel\|>\s{0,4}(?P<to>\w{1,40})[^<{]{0,200}"
    r"(?:<\|constrain\|>[^<{]{0,40})?(?:<\|message\|>)?)"
    r"|(?P<turn><\|(?:start|end|return|call)\|>)"
    rf"|(?P<fence>`{{3,16}}[ \t]{{0,4}}{THOUGHT_NAMES}\b)|(?P<unfence>```)"
    r"|(?P<object>\{(?=\s{0,99}[\"}]))",
    re.IGNORECASE,
)
_BARE = re.compile(r"\s{0,9}analysis")
_BARE_FINAL = "assistantfinal"
"""Harmony's channels as they are left where a server drops all special tokens."""
_STRICT = json.JSONDecoder(strict=False)
_WORK_MAX = 8
"""So many times the length of a text is spent on objects in it that turn out to be none."""
_CLOSING = re.compile(r"(?:\s|`|\]|</?[\w:=|]{1,40}>|<[|｜][^<>]{1,40}[|｜]>|\[/?\w{1,40}\])*")
"""What may stand after the object that ends a text."""


@dataclass(slots=True)
class Piece:
    """A part of a text, with the objects in it that are whole JSON."""

    text: str = ""
    objects: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)
    """Each with where it ends in the text."""

    @property
    def last_word(self) -> Mapping[str, Any] | None:
        """The object with which the text ends."""
        if not self.objects:
            return None
        end, found = self.objects[-1]
        return found if _CLOSING.fullmatch(self.text, end) else None


@dataclass(slots=True)
class Told:
    """A text in its parts."""

    said: list[Piece] = field(default_factory=list)
    """What is no thought; of a model that has channels, what it said in the last of them."""
    before: list[Piece] = field(default_factory=list)
    """What it said in other channels."""
    after: Piece = field(default_factory=Piece)
    """All that comes after the last mark that ends thoughts."""
    endless: Piece = field(default_factory=Piece)
    """Thoughts that did not end before the text did."""
    analysis: Piece = field(default_factory=Piece)
    """What stands between marks named analysis: thoughts of some models, the answer of others."""


def told(text: str) -> Told:
    """Return the parts of a text."""
    if _BARE.match(text) and _BARE_FINAL in text:
        text = text.rpartition(_BARE_FINAL)[2]
    parting = _Parting(text)
    for mark in _marks(text, parting.objects):
        parting.take(mark)
    return parting.end()


def _marks(text: str, objects: list[tuple[int, int, Mapping[str, Any]]]) -> Iterator[re.Match[str]]:
    """Yield all marks outside of objects; note the objects, with their beginnings and ends."""
    at, work_left = 0, _WORK_MAX * len(text) + 1_000
    while mark := _MARK.search(text, at):
        at = mark.end()
        if mark["object"] is None:
            yield mark
        elif work_left > 0:
            try:
                found, at = _STRICT.raw_decode(text, mark.start())
            except json.JSONDecodeError as error:
                # A string that does not end was read to the end; and the error counts all lines
                # before it, which is fast.
                whole = error.msg.startswith("Unterminated")
                work_left -= (len(text) if whole else error.pos) - mark.start() + error.pos // 16
            except (ValueError, RecursionError):
                work_left -= len(text) - mark.start()
            else:
                objects.append((mark.start(), at, found))


class _Parting:
    """Takes the marks of one text in order."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.objects: list[tuple[int, int, Mapping[str, Any]]] = []
        self.told = Told()
        self.at = 0
        self.depth = 0
        self.fenced = False
        self.closed_at: int | None = None

    def take(self, mark: re.Match[str]) -> None:
        kind = mark.lastgroup if mark.lastgroup != "to" else "channel"
        if kind == "unfence" and not self.fenced:
            return
        if self.fenced and kind not in ("unfence", "close"):
            return
        self._flush(mark.start(), named=mark.group())
        self.at = mark.end()
        if kind in ("open", "fence"):
            self.fenced = kind == "fence"
            self.depth += 1
        elif kind == "close":
            self._close()
        elif kind == "channel":
            self._enter(mark["to"].lower())
        else:
            self.fenced, self.depth = False, 0

    def end(self) -> Told:
        if self.depth:
            self.told.endless = self._piece(self.at, len(self.text))
        else:
            self._flush(len(self.text))
        if self.closed_at is not None:
            self.told.after = self._piece(self.closed_at, len(self.text))
        return self.told

    def _close(self) -> None:
        if not self.depth:  # what was said so far were thoughts: their beginning is not shown
            self.told.said.clear()
        self.fenced, self.depth = False, max(self.depth - 1, 0)
        self.closed_at = self.at

    def _enter(self, channel: str) -> None:
        self.told.before += self.told.said
        self.told.said = []
        self.depth = 1 if channel in ("analysis", "thought", "thinking", "reasoning") else 0

    def _flush(self, end: int, named: str = "") -> None:
        """Keep what stands between the last mark and this one."""
        piece = self._piece(self.at, end)
        if not self.depth:
            self.told.said.append(piece)
        elif "analysis" in named.lower() and "channel" not in named.lower():
            self.told.analysis = piece

    def _piece(self, start: int, end: int) -> Piece:
        first = bisect_left(self.objects, start, key=itemgetter(0))
        last = bisect_left(self.objects, end, key=itemgetter(0))
        inside = [(until - start, found) for _, until, found in self.objects[first:last]]
        return Piece(self.text[start:end], inside)
