"""Texts for people: makes the descriptions of CRD authors readable and short, and words counts.

No function does more work than `RAW_CHARS_MAX` characters need. Every cut falls between characters,
and at a word where there is one.
"""

import re

RAW_CHARS_MAX = 4000
"""So much of a single description is read; the longest ones in real CRDs tell nothing new later."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Zero-width and direction marks change what a reader sees; lone surrogates cannot be encoded.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_PARAGRAPH = re.compile(r"\n[ \t]*(?=\n|[-*•+] |\d+[.)] |#+ )|[\r\u2028\u2029]+")
_LINK = re.compile(
    r"[ ,;(]*(?:\b(?:for )?"
    r"(?:more info(?:rmation)?|(?:see )?more details|details|see(?: also)?|ref(?:erence)?|docs)"
    r"(?: is| are| at| on| can be found| here| available)*[ :]*)?"
    r"[<(]?https?://[^\s)>]+[>)]*"
    r"(?:\s+for (?:more|further|additional) (?:info(?:rmation)?|details)\.?)?",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?]+[\"')\]]*(?=\s+\S)")
_NOT_AN_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|incl|resp|no|fig|ver|inc|ltd|corp|st|dr|mr|ca|al)\.|"
    r"(?<![\w.])\w\.)$",
    re.IGNORECASE,
)


def fold(raw: str) -> str:
    """Return one line: without control characters, and with single spaces."""
    return " ".join(_printable(raw).split())


def paragraphs(raw: str) -> list[str]:
    """Return the folded paragraphs; each item of a list is a paragraph of its own."""
    pieces = _PARAGRAPH.split(_printable(raw))
    return [folded for piece in pieces if (folded := " ".join(piece.split()))]


def sentences(paragraph: str) -> list[str]:
    """Split folded text at the full stops that end a sentence: not at `e.g.`, `v1.2` or `J.`."""
    found, start = [], 0
    for match in _SENTENCE_END.finditer(paragraph):
        if _ends_sentence(paragraph, match):
            found.append(paragraph[start : match.end()].strip())
            start = match.end()
    rest = paragraph[start:].strip()
    return [*found, rest] if rest else found


def without_links(folded: str) -> str:
    """Return the text without addresses and without the words that only lead to one."""
    return _LINK.sub("", folded).strip()


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


def _printable(raw: str) -> str:
    return _INVISIBLE.sub("", _CONTROL.sub(" ", raw[:RAW_CHARS_MAX]))


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    if text[match.end() :].lstrip()[0].islower():
        return False
    tail = text[max(0, match.end() - 16) : match.end()].rstrip("\"')]")
    return not _NOT_AN_END.search(tail)
