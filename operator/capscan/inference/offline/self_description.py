"""Reads what a CRD says of itself, in clean sentences.

Generators leave boilerplate in nearly every description ("X is the Schema for the xs API"). The
rest is worth keeping, without markup, links, lists and notes to developers.
"""

import re
from collections.abc import Iterator

from capscan.core.crd.digest import Digest
from capscan.core.text import sentences, without_links
from capscan.inference.offline.words import fix_articles, phrase, with_article

_SENTENCE_CHARS_MAX = 210
_WORDS_MIN = 3
_LEAD_WORDS_MIN = 5

_SCHEMA_FOR = re.compile(
    r"^\S+ is the [Ss]chema for (?:the )?\S+(?: \S+)? (?:API|api|resource)s?\b[\s,:.\-–]*+"
    r"(?:(?P<joint>that|which|and|to|it)\b)?(?P<rest>.*)$"
)
_NOTHING_SAID = (
    # what code generators write
    r"defines? the (?:desired|observed) state",
    r"desired (?:state|behaviou?r)",
    r"\bis (?:the|an?) (?:spec|schema|specification|definition)\b(?! (?:that|which))",
    r"\bis (?:the|an?) crd\b(?! implementation)",
    r"\bspecification for an? \S+ resource",
    r"\brepresents? an? \S+ resource",
    r"\bresource in a kubernetes cluster",
    r"\bis (?:the|an?) \S+ (?:api|resource|object|type)\.?$",
    r"^(?:spec|status|specification|\S+Spec)\b",
    r"^the specification of",
    r"^defines the configuration of the \S+$",
    r"\bspec$",
    r"\bauto-?generated",
    # notes to developers
    r"edit this file|insert additional|important: run|\btodo\b|\bgo doc",
    r"customresource validation|status sub-?resource|compatibility level|rfc ?\d",
    r"deprecated|no longer|not currently|at most one|this is a placeholder",
    # pointers, and sentences that lean on one that is not there
    r"^see |^note\b|^(?:for )?example|^for more|^more info|^read the|documentation for",
    r"^this |^contains |^holds? the",
)
_SAYS_NOTHING = re.compile("|".join(_NOTHING_SAID), re.IGNORECASE)
# A bracket that nobody closes is matched up to the end of the text, and kept.
_MARKDOWN_LINK = re.compile(r"!?\[([^\]]*+)(?:(?P<closed>\])(?:\([^)]{0,400}\)|\[[^\]]*+\])?|\Z)")
_MARKUP = re.compile(r"<[^<>]{1,80}>|[`*]++|(?<!\w)_++|(?<!_)_++(?!\w)")
_LEFTOVER = re.compile(r"(?<!\s)\s*+\((?:(?:see|for details|more|cf)[^()]*+|\s*+)\)", re.IGNORECASE)
_REDUNDANT = re.compile(r"\bcustom resource definition \(CRD\) ", re.IGNORECASE)
_LIST_ITEM = re.compile(r"\A(?:[-*•+] |\d++[.)] |#)")
_LIST_TAIL = re.compile(r"\s(?:[-*•]|\d\.)\s.*+\Z", re.DOTALL)


def own_sentences(digest: Digest) -> Iterator[str]:
    """Yield what the CRD says of itself, cleaned; sentences that say nothing are left out."""
    spec = next((f.description for f in digest.fields if f.path == "spec"), "")
    seen: set[str] = set()
    for paragraph in [*digest.description.split("\n"), spec]:
        if _LIST_ITEM.match(paragraph):
            continue
        for raw in sentences(_plain(paragraph)):
            cleaned = _cleaned(raw, digest)
            if cleaned and cleaned.lower() not in seen:
                seen.add(cleaned.lower())
                yield cleaned


def _plain(paragraph: str) -> str:
    text = without_links(_MARKDOWN_LINK.sub(_link_text, paragraph))
    text = _LEFTOVER.sub("", _MARKUP.sub("", text))
    return " ".join(_REDUNDANT.sub("", text).split())


def _link_text(match: re.Match[str]) -> str:
    return match[1] if match["closed"] else match[0]


def _cleaned(raw: str, digest: Digest) -> str:
    text = _without_schema_for(raw, digest).strip(" -–:;,")
    if raw.rstrip().endswith(":"):
        text = text.rpartition(", ")[0]  # it leads up to a list, which is left out
        text = text if len(text.split()) >= _LEAD_WORDS_MIN else ""
    text = _LIST_TAIL.sub("", text)
    text = text.rstrip(" .!…-–:;,")
    if "…" in raw[-2:] or _SAYS_NOTHING.search(text) or len(text.split()) < _WORDS_MIN:
        return ""
    if len(text) > _SENTENCE_CHARS_MAX:
        text = _clause(text)
    if text.startswith("It ") and digest.kind:
        text = f"{with_article(phrase(digest.kind))} {text[3:]}"
    if not text or not text[0].isalnum() or text.count("(") != text.count(")"):
        return ""
    if text.count('"') % 2 or "{" in text:
        return ""
    return fix_articles(text[0].upper() + text[1:]) + "."


def _without_schema_for(raw: str, digest: Digest) -> str:
    """Return what an author added to the generated sentence."""
    match = _SCHEMA_FOR.match(raw)
    if not match:
        return raw
    rest, joint = match["rest"].strip(" .,"), match["joint"]
    if joint in {"that", "which", "it", "and"} and rest:
        return f"{with_article(phrase(digest.kind))} {rest}"
    return f"Used to {rest}" if joint == "to" and rest else rest


def _clause(text: str) -> str:
    """Return the part of a long sentence that stands by itself: up to a comma, or nothing."""
    head = text[:_SENTENCE_CHARS_MAX]
    for mark in ("; ", ", which ", ", where ", ", so ", " (", ", "):
        kept, found, _ = head.rpartition(mark)
        if found and len(kept) > 60:
            return kept if kept.count("(") == kept.count(")") else ""
    return ""
