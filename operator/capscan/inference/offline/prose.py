"""Writes sentences for people: the CRD's own where it has any, composed ones where it has none.

Templates are few and say only what is known; words come from the tables. What the CRD says of
itself is read in `self_description.py`.
"""

from capscan.core.crd.digest import Digest
from capscan.core.text import shorten
from capscan.inference.offline.evidence import Evidence
from capscan.inference.offline.self_description import own_sentences
from capscan.inference.offline.words import phrase, plural, with_article

_OWN_CHARS_MAX = 220
_USE_SCORE_MIN = 4.0


def description(digest: Digest, evidence: Evidence, chars_max: int) -> str:
    """Return one or two sentences on what the kind is, and one on what it is part of."""
    own: list[str] = []
    length = 0
    for sentence in own_sentences(digest):
        if length + len(sentence) + 1 > _OWN_CHARS_MAX or len(own) == 2:
            break
        own.append(sentence)
        length += len(sentence) + 1
    parts = [*own, _belongs(evidence)] if own else [_declares(digest, evidence)]
    return _fitting(parts, chars_max)


def use_case(digest: Digest, evidence: Evidence, chars_max: int) -> str:
    """Return when to reach for it: one sentence, or two where two topics are named."""
    uses: list[str] = []
    said: set[str] = set()  # `backup` after `database-backup` would say the same again
    for ranked in evidence.topics:
        strong = ranked.score >= _USE_SCORE_MIN and (ranked.named or not uses)
        words = set(ranked.topic.id.split("-"))
        if strong and ranked.topic.use and not words & said:
            uses.append(ranked.topic.use)
            said |= words
    if not uses:
        return _fitting([f"Use it to {_manage(digest, evidence)}."], chars_max)
    first = f"Use it to {uses[0]}."
    return _fitting([first, *(f"It also helps to {use}." for use in uses[1:2])], chars_max)


def _declares(digest: Digest, evidence: Evidence) -> str:
    """Return the description of a CRD that says nothing of itself."""
    through = " Managed through Crossplane." if evidence.through_crossplane else ""
    place, service = evidence.place, evidence.service
    if service:
        return f"Declares {_one(digest.kind)} in {_named(service.name, service.about)}.{through}"
    if not place:
        of_group = f", a kind of the API group {digest.group}" if digest.group else ""
        return f"Declares {_one(digest.kind)}{of_group}."
    home = _named(place.title, place.about)
    words = phrase(digest.kind)
    if words == place.title:
        return f"Declares an instance of {home}.{through}"
    if words.startswith(f"{place.title} "):  # not "a Grafana dashboard for Grafana"
        return f"Declares {_one(digest.kind)}. Part of {home}.{through}"
    return f"Declares {_one(digest.kind)} for {home}.{through}"


def _belongs(evidence: Evidence) -> str:
    through = " Managed through Crossplane." if evidence.through_crossplane else ""
    place, service = evidence.place, evidence.service
    if service:
        return f"Part of {_named(service.name, service.about)}.{through}"
    return f"Part of {_named(place.title, place.about)}.{through}" if place else ""


def _named(title: str, about: str) -> str:
    """Return a title with what it is behind it; in brackets where that has a comma of its own."""
    if not about:
        return title
    return f"{title} ({about})" if "," in about else f"{title}, {about}"


def _one(kind: str) -> str:
    """Return one object of a kind in words: `a backup`, `an instance of Kibana`."""
    words = phrase(kind)
    if not words:
        return "an object"
    proper = " " not in words and words[0].isupper() and not words.isupper()
    return f"an instance of {words}" if proper else with_article(words)


def _manage(digest: Digest, evidence: Evidence) -> str:
    what = plural(phrase(digest.kind)) if digest.kind else "its objects"
    place = evidence.service.name if evidence.service else evidence.place and evidence.place.title
    owner = f" of {place}" if place else ""
    return f"manage {what}{owner} from Git or kubectl, next to the workloads that need them"


def _fitting(parts: list[str], chars_max: int) -> str:
    """Return the sentences that fit; where none does, the first one is cut at a word."""
    text = ""
    for part in parts:
        longer = f"{text} {part}".strip()
        if len(longer) <= chars_max:
            text = longer
    return text or shorten(parts[0], chars_max)
