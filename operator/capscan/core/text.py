"""Texts for people: makes the descriptions of CRD authors readable and short, and words counts.

Strangers write these texts, so every pattern takes time that grows with the length of the text and
no faster: `tests/test_patterns.py` tries to prove otherwise. No function reads more of a text than
`RAW_CHARS_MAX` characters. Every cut falls between characters, and at a word where there is one.
"""

import re
import unicodedata
from collections.abc import Iterator

RAW_CHARS_MAX = 4000
"""So much of a single description is read; the longest ones in real CRDs tell nothing new later."""

_MARKS_MAX = 2
"""So many combining marks stay on one letter: Vietnamese and Thai need two, a spill of marks over
the lines around it needs more."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_IGNORABLE = (
    # What Unicode calls default ignorable (DerivedCoreProperties.txt): zero-width and direction
    # marks, fillers, variation selectors and tags. A reader does not see them, and a model does.
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_UNSEEN = (
    # What looks like a blank or like nothing without being called so: the empty Braille pattern,
    # anchors and objects, an empty note, format characters of hieroglyphs.
    "\u2800\ufff9-\ufffc\U0001d159\U00013430-\U0001343f"
    # Marks that are drawn around or across their neighbours.
    "\u0488\u0489\u1abe\u20dd-\u20e0\u20e2-\u20e4\ua670-\ua672"
    # Private characters, which each font draws as it likes, and those that are none.
    "\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff"
    # Lone surrogates, which cannot be encoded.
    "\ud800-\udfff"
)
_INVISIBLE = re.compile(f"[{_IGNORABLE}{_UNSEEN}]")
_MAYBE_MARKS = re.compile("[\u0300-\U0010ffff]")
_UNPRINTABLE = re.compile(
    # Control characters, the ends of lines and paragraphs, and what `fold` drops as ignorable.
    f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_IGNORABLE}]"
)

_PARAGRAPH = re.compile(r"\n[ \t]*+(?=\n|[-*•+] |\d++[.)] |#++ )|[\r\u2028\u2029]++")
_TO_ADDRESS = (
    r"(?:\b(?:for )?"
    r"(?:more info(?:rmation)?|(?:see )?more details|details|see(?: also)?|ref(?:erence)?|docs)"
    r"(?: is| are| at| on| can be found| here| available)*+[ :]*+)?"
    r"[<(]?https?://[^\s)>]++[>)]*+"
    r"(?:\s++for (?:more|further|additional) (?:info(?:rmation)?|details)\.?)?"
)
# A run of marks before an address goes with it. Runs before anything else are matched as well, and
# kept: a run that no match steps over would be read once more from each of its characters.
_LINK = re.compile(
    rf"[ ,;(]++(?P<after_run>{_TO_ADDRESS})?|(?P<alone>{_TO_ADDRESS})", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"(?<![.!?])[.!?]++[\"')\]]*+(?=\s++(\S))")
_NOT_AN_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|incl|resp|no|fig|ver|inc|ltd|corp|st|dr|mr|ca|al)\.|"
    r"(?<![\w.])\w\.)$",
    re.IGNORECASE,
)


def fold(raw: str) -> str:
    """Return one line: what one sees of it, with single spaces. It has no control characters,
    nothing that is invisible, and no more than a few combining marks on one letter.
    """
    return " ".join(_visible(raw).split())


def paragraphs(raw: str) -> list[str]:
    """Return the folded paragraphs; each item of a list is a paragraph of its own."""
    pieces = _PARAGRAPH.split(_visible(raw))
    return [folded for piece in pieces if (folded := " ".join(piece.split()))]


def sentences(paragraph: str) -> Iterator[str]:
    """Yield the pieces of folded text between the full stops that end a sentence: not those of
    `e.g.`, `v1.2` or `J.`.
    """
    start = 0
    for match in _SENTENCE_END.finditer(paragraph):
        if _ends_sentence(paragraph, match):
            yield paragraph[start : match.end()].strip()
            start = match.end()
    if rest := paragraph[start:].strip():
        yield rest


def without_links(folded: str) -> str:
    """Return the text without addresses and without the words that only lead to one."""
    if "://" in folded:
        folded = _LINK.sub(_unless_link, folded)
    return folded.strip()


def lead(raw: str, chars_max: int) -> str:
    """Return the first sentences of the first paragraph, as many as fit. Where not even one fits,
    it is cut at a word.
    """
    first = without_links(next(iter(paragraphs(raw)), ""))
    kept = ""
    for sentence in sentences(first):
        longer = f"{kept} {sentence}".strip()
        if len(longer) > chars_max:
            break
        kept = longer
    return kept or shorten(first, chars_max)


def shorten(text: str, chars_max: int) -> str:
    """Return at most `chars_max` characters; an ellipsis marks a cut. The cut is at a word where
    that leaves more than half of what fits, else within a word.
    """
    if len(text) <= chars_max:
        return text
    cut = text[: max(chars_max - 1, 0)]
    whole_words, _, _ = cut.rpartition(" ")
    if len(whole_words) * 2 > len(cut):
        cut = whole_words
    return (cut.rstrip(" ,;:.-(") + "…")[:chars_max]


def counted(count: int, noun: str) -> str:
    """Return `1 CRD` or `2 CRDs`, for nouns whose plural ends in s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def printable(text: str) -> str:
    """Return the text on one line for a log or a terminal. What would move the cursor, colour,
    reorder or hide something there is written as an escape: `\\x1b`, `\\n`, `\\u2028`.
    """
    return _UNPRINTABLE.sub(lambda m: m[0].encode("unicode_escape").decode("ascii"), text)


def _visible(raw: str) -> str:
    return _few_marks(_INVISIBLE.sub("", _CONTROL.sub(" ", raw[:RAW_CHARS_MAX])))


def _few_marks(text: str) -> str:
    """Return the text with at most `_MARKS_MAX` combining marks in a row, and none at its start."""
    if not _MAYBE_MARKS.search(text):
        return text
    kept, marks = [], _MARKS_MAX
    for char in text:
        marks = marks + 1 if unicodedata.category(char) == "Mn" else 0
        if marks <= _MARKS_MAX:
            kept.append(char)
    return "".join(kept)


def _unless_link(match: re.Match[str]) -> str:
    return match[0] if match.lastgroup is None else ""


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    if match[1].islower():
        return False
    tail = text[max(0, match.end() - 16) : match.end()].rstrip("\"')]")
    return not _NOT_AN_END.search(tail)
