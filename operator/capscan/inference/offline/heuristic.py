"""The built-in offline analysis: rules over a digest and tables of words, no network, no model.

It knows little and says so in `confidence`. `evidence.py` finds topics and vendors, `prose.py`
writes sentences, the tables (*.yaml) hold what is known; this module puts an Analysis together
within its bounds. For better answers, add to the tables first.
"""

import re
from collections.abc import Iterable, Iterator

from capscan.core.answer.question import Question
from capscan.core.crd.digest import Digest, DigestField
from capscan.core.pace import Pace
from capscan.core.text import shorten
from capscan.inference.flight import Flight
from capscan.inference.offline.evidence import Evidence, weigh
from capscan.inference.offline.knowledge import knowledge
from capscan.inference.offline.prose import description, use_case
from capscan.inference.offline.self_description import own_sentences
from capscan.inference.offline.words import not_telling, phrase, plural
from capscan.model import Analysis, Completion, Complexity, Usage
from capscan.model.completion import NO_USAGE

RULES = "rules/1"
"""Raise it when the same digest would get another answer: stored CRDs are then analysed again."""

CAPABILITIES_MAX = 10
_ABSTRACTIONS_MAX = 8
_PROVIDERS_MAX = 12
_PROSE_CHARS_MAX = 300
_CAPABILITY_CHARS_MAX = 60
_ABSTRACTION_CHARS_MAX = 60
_PROVIDER_CHARS_MAX = 60

_TOPIC_SCORE_MIN = 3.5
_SHARES = (3, 2, 2, 1)
"""How many capabilities the best topics give in the first round; every further one gives one."""
_FIELD_TOPICS_MAX = 4
_CONFIGURED_MAX = 4
_ENOUGH_CAPABILITIES = 6

_MEDIUM_FIELDS_MIN = 24
_HIGH_FIELDS_MIN = 88
_UNKNOWN_FIELDS_MAX = 1

_CONFIDENCE_MAX = 0.6

_REFERRED = re.compile(r" (?:ID|arn|name)$")
"""What is left out of a reference's name: `roleArnRef` refers to a role."""


class OfflineAnalysis:
    """A provider that answers from rules alone: always the same, in a few milliseconds per CRD."""

    name = "offline"
    model = RULES
    identity = f"{name}/{model}"

    def __init__(self) -> None:
        knowledge()  # so that a broken table ends the start, and the first answer is not slow

    async def complete(self, question: Question, flight: Flight) -> Completion:
        """Return the analysis by the rules. It never fails on a digest."""
        async with flight.request():
            return Completion(analyze(question.digest), self.name, self.model, self.identity)

    @property
    def is_priced(self) -> bool:
        """True: it is known that an answer costs nothing."""
        return True

    def estimate(self, digest: Digest) -> Usage:  # noqa: ARG002
        """Return no usage: nothing is sent."""
        return NO_USAGE

    def pace(self, flow: str, weight: int) -> Pace:  # noqa: ARG002
        """Return a pace without limits."""
        return Pace()


def analyze(digest: Digest) -> Analysis:
    """Return what the rules make of a digest."""
    evidence = weigh(digest)
    return Analysis(
        capabilities=_bounded(
            _capabilities(digest, evidence), CAPABILITIES_MAX, _CAPABILITY_CHARS_MAX
        ),
        providers=_bounded(evidence.providers, _PROVIDERS_MAX, _PROVIDER_CHARS_MAX),
        abstractions=_bounded(
            _abstractions(digest, evidence), _ABSTRACTIONS_MAX, _ABSTRACTION_CHARS_MAX
        ),
        complexity=complexity(digest),
        description=description(digest, evidence, _PROSE_CHARS_MAX),
        use_case=use_case(digest, evidence, _PROSE_CHARS_MAX),
        confidence=confidence(digest, evidence),
    )


def complexity(digest: Digest) -> Complexity:
    """Return the complexity by the number of fields, where required ones count twice.

    Without a schema nobody can say, and the middle is the smallest mistake.
    """
    stats = digest.stats
    if stats.field_count <= _UNKNOWN_FIELDS_MAX:
        return Complexity.MEDIUM
    size = stats.field_count + stats.required_count
    if size < _MEDIUM_FIELDS_MIN:
        return Complexity.LOW
    return Complexity.MEDIUM if size < _HIGH_FIELDS_MIN else Complexity.HIGH


def confidence(digest: Digest, evidence: Evidence) -> float:
    """Return the confidence: low without a schema or descriptions, and never above what rules
    deserve.
    """
    described = [f for f in digest.fields if f.description]
    total = 0.1
    total += 0.1 if digest.stats.field_count > _UNKNOWN_FIELDS_MAX else 0.0
    total += 0.1 if len(described) * 2 > len(digest.fields) else 0.0
    total += 0.15 if next(own_sentences(digest), "") else 0.0
    total += 0.1 if any(r.named for r in evidence.topics) else 0.0
    total += 0.05 if evidence.home or evidence.clouds else 0.0
    return min(round(total, 2), _CONFIDENCE_MAX)


def _capabilities(digest: Digest, evidence: Evidence) -> Iterator[str]:
    """Yield capabilities, best first. Topics take turns: the second has its say before the first
    has said all.
    """
    strong = [r.topic for r in evidence.topics if r.score >= _TOPIC_SCORE_MIN]
    weak = [r.topic for r in evidence.topics if r.score < _TOPIC_SCORE_MIN][:_FIELD_TOPICS_MAX]
    named = any(r.named for r in evidence.topics)
    manage = f"Manage {plural(phrase(digest.kind)) or 'custom objects'}"
    if not named:
        yield manage
    shares = [*_SHARES, *([1] * len(strong))]
    for topic, share in zip(strong, shares, strict=False):
        yield from topic.do[:share]
    for topic in weak:
        yield from topic.do[:1]
    for topic, share in zip(strong, shares, strict=False):
        yield from topic.do[share:]
    if sum(len(t.do) for t in strong) < _ENOUGH_CAPABILITIES:
        yield from _configured(digest.fields)
    yield manage


def _configured(fields: Iterable[DigestField]) -> Iterator[str]:
    """Yield what the first levels of the spec let one configure, in the schema's own words."""
    given = 0
    for field in fields:
        words = phrase(field.path.rpartition(".")[2])
        shallow = field.depth == 2 or (field.depth == 3 and ".forProvider." in field.path)
        telling = not set(words.lower().split()) & not_telling() and words[-2:] != "ed"
        if shallow and telling and field.type == "object" and not _is_reference(field):
            given += 1
            yield f"Configure {words}"
        if given == _CONFIGURED_MAX:
            return


def _is_reference(field: DigestField) -> bool:
    return field.path.rstrip("[]{}").endswith(("Ref", "Refs", "Selector", "Reference"))


def _abstractions(digest: Digest, evidence: Evidence) -> Iterator[str]:
    if digest.kind:
        yield phrase(digest.kind)
    for ranked in evidence.topics:
        if ranked.score >= _TOPIC_SCORE_MIN:
            yield from ranked.topic.nouns[:2]
    for field in digest.fields:
        name = field.path.rpartition(".")[2].rstrip("[]{}")
        words = _REFERRED.sub("", phrase(name.removesuffix("Ref")))
        plumbing = {"secret", "key", "to", "config", "class", "custom"} & set(words.split()[-1:])
        if field.depth <= 3 and name.endswith("Ref") and not plumbing:
            yield words


def _bounded(phrases: Iterable[str], count_max: int, chars_max: int) -> list[str]:
    """Return the first distinct phrases, whatever their case; long ones are shortened."""
    kept: dict[str, str] = {}
    for words in phrases:
        short = shorten(words, chars_max).strip()
        if short:
            kept.setdefault(short.partition(" (")[0].lower(), short)
        if len(kept) == count_max:
            break
    return list(kept.values())
