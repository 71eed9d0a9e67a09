"""Weighs what a digest is evidence of: topics with a score, vendors, and what it is part of.

A kind's name says most, its group less, the description and the fields least. Sentences are written
in `prose.py` and `heuristic.py`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from capscan.core.crd.digest import Digest
from capscan.inference.offline.knowledge import Service, Stems, Topic, Vendor, knowledge
from capscan.inference.offline.words import group_words, split_name, stem

_HEAD_SCORE = 10.0
"""For the last word of a kind, which says what it is: a MachineHealthCheck is a health check."""
_KIND_SCORE = 8.0
_ASIDE_SCORE = 5.0
"""For one word of several that is not the last: NetworkChaos is not a network."""
_GROUP_SCORE = 4.0
_WORD_BONUS = 3.0
"""For each further word of a trigger: `push secret` says more than `secret`."""
_VENDOR_SCORE = 5.0
_VENDOR_BONUS = 1.0
"""For a topic of the vendor that the name says already."""
_TEXT_SCORE = 3.0
_FIELD_SCORE = 2.0
_CROSSPLANE = "Crossplane"
_FIELD_DEPTH_MAX = 4
_CLOUDS_BY_FIELD_MIN = 2
_CLOUD_FIELD_DEPTH_MAX = 3
_MENTIONS_MIN = 3
_MENTIONS_SHARE = 5
"""At least one described field in so many has to name the vendor."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A topic that fits."""

    topic: Topic
    score: float
    named: bool
    """Whether the kind or the group says so, and not only a field or a sentence."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one CRD."""

    topics: tuple[Ranked, ...]
    """Best first."""
    clouds: tuple[Vendor, ...]
    home: Vendor | None
    """The project that owns the group."""
    service: Service | None
    """The cloud service that the group stands for."""

    @property
    def through_crossplane(self) -> bool:
        """Whether Crossplane manages it, and it is itself a thing of another vendor."""
        is_crossplane = self.home is not None and self.home.name == _CROSSPLANE
        return is_crossplane and any(v.name != _CROSSPLANE for v in self.clouds)

    @property
    def place(self) -> Vendor | None:
        """Where the thing lives: the cloud behind Crossplane, else the owner of the group."""
        if self.home and not self.through_crossplane:
            return self.home
        return next((v for v in self.clouds if v.name != _CROSSPLANE), None)

    @property
    def providers(self) -> list[str]:
        """The names of vendors to show, clouds first."""
        homes = [self.home] if self.home and self.home.provider else []
        return list(dict.fromkeys(v.name for v in [*self.clouds, *homes]))


def weigh(digest: Digest) -> Evidence:
    """Return what a digest is evidence of. Ties are broken by the order of the tables."""
    home, clouds = _home(digest.group), _clouds(digest)
    service = _service(digest.group, clouds)
    given = [*(home.topics if home else ()), *(service.topics if service else ())]
    for vendor in clouds:
        given += vendor.topics
    return Evidence(_topics(digest, given), clouds, home, service)


# --- topics ---------------------------------------------------------------------------------------


def _topics(digest: Digest, given: Iterable[str]) -> tuple[Ranked, ...]:
    named = _named(digest)
    scores = dict(named)
    known = knowledge()
    for topic_id in dict.fromkeys(given):
        told = scores.get(topic_id, 0.0) + _VENDOR_BONUS
        scores[topic_id] = max(told, _VENDOR_SCORE)
    for topic_id in _told(digest.description):
        scores[topic_id] = scores.get(topic_id, 0.0) + _TEXT_SCORE
    for topic_id, score in _shown(digest):
        scores[topic_id] = scores.get(topic_id, 0.0) + score
    order = {topic_id: place for place, topic_id in enumerate(known.topics)}
    ranked = [
        Ranked(known.topics[i], score * known.topics[i].weight, named=i in named)
        for i, score in scores.items()
    ]
    return tuple(sorted(ranked, key=lambda r: (-r.score, order[r.topic.id])))


def _named(digest: Digest) -> dict[str, float]:
    words = _Words.of(digest)
    found: dict[str, float] = {}
    for word in sorted(words.all):
        for topic in knowledge().by_word.get(word, ()):
            best = max((words.fit(trigger) for trigger in topic.names), default=0.0)
            if best and not any(veto <= words.all for veto in topic.unless):
                found[topic.id] = best
    return found


@dataclass(frozen=True, slots=True)
class _Words:
    """The stems of a CRD's names, sorted by how much they say."""

    kind: frozenset[str]
    head: str
    all: frozenset[str]

    @classmethod
    def of(cls, digest: Digest) -> "_Words":
        kind = [stem(word) for word in split_name(digest.kind)]
        group = [stem(word) for word in group_words(digest.group)]
        return cls(frozenset(kind), kind[-1] if kind else "", frozenset([*kind, *group]))

    def fit(self, trigger: frozenset[str]) -> float:
        """Return the score of a trigger; 0 unless all of its words are there."""
        if not trigger <= self.all:
            return 0.0
        if self.head in trigger:
            base = _HEAD_SCORE
        elif trigger & self.kind:
            base = _KIND_SCORE if len(trigger) > 1 else _ASIDE_SCORE
        else:
            base = _GROUP_SCORE
        return base + _WORD_BONUS * (len(trigger) - 1)


def _told(description: str) -> Iterator[str]:
    text = description.lower()
    return (topic.id for topic in knowledge().topics.values() if any(t in text for t in topic.text))


def _shown(digest: Digest) -> Iterator[tuple[str, float]]:
    """Yield the topics that fields are named after, each once, with the score of the field nearest
    to the top.
    """
    seen: set[str] = set()
    for field in digest.fields:
        if field.depth > _FIELD_DEPTH_MAX:
            break
        for topic in knowledge().by_field.get(_field_stems(field.path), ()):
            if topic.id not in seen:
                seen.add(topic.id)
                yield topic.id, _FIELD_SCORE - 0.2 * field.depth


def _field_stems(path: str) -> Stems:
    """Return the stems of the last segment: `spec.strategy.blueGreen` -> blue, green."""
    last = path.rpartition(".")[2]
    return tuple(stem(word) for word in split_name(last))


# --- vendors --------------------------------------------------------------------------------------


def _home(group: str) -> Vendor | None:
    """Return the vendor of the longest matching end of the group, else of a word in it."""
    best: tuple[int, Vendor] | None = None
    for vendor in knowledge().vendors:
        for end in vendor.groups:
            matches = group == end or group.endswith(f".{end}")
            if matches and (best is None or len(end) > best[0]):
                best = (len(end), vendor)
    if best:
        return best[1]
    words = set(group_words(group))
    return next((v for v in knowledge().vendors if v.words & words), None)


def _clouds(digest: Digest) -> tuple[Vendor, ...]:
    """Return the vendors that the names give, and the clouds that fields offer a choice of."""
    named = [v for v in knowledge().vendors if _is_named(v, digest)]
    found = {v.name: v for v in [*named, *_offered(digest)] if v.provider}
    if not any(v.fields for v in named):  # Azure has Vaults of its own
        found |= {v.name: v for v in knowledge().vendors if _mentioned(digest, v)}
    return tuple(found.values())


def _is_named(vendor: Vendor, digest: Digest) -> bool:
    """Return whether the names give this vendor.

    The group may name any vendor. The kind names a cloud with any word, and another vendor with its
    first one, unless the group has an owner: an ElasticIP is none of Elastic's.
    """
    kind = [word.lower() for word in split_name(digest.kind)]
    if vendor.words & set(group_words(digest.group)):
        return True
    if vendor.fields:
        return bool(vendor.words & set(kind))
    return bool(vendor.words & set(kind[:1])) and _home(digest.group) is None


def _offered(digest: Digest) -> list[Vendor]:
    """Return the clouds that fields name side by side; one cloud alone is a detail."""
    opening = {
        words[0].lower()
        for field in digest.fields
        if field.depth <= _CLOUD_FIELD_DEPTH_MAX
        and (words := split_name(field.path.rpartition(".")[2]))
    }
    offered = [v for v in knowledge().vendors if v.fields & opening]
    return offered if len(offered) >= _CLOUDS_BY_FIELD_MIN else []


def _mentioned(digest: Digest, vendor: Vendor) -> bool:
    """Return whether so many fields speak of a vendor that the CRD is of no use without it."""
    if not vendor.mentions:
        return False
    described = [f.description for f in digest.fields if f.description]
    hits = sum(any(name in text for name in vendor.mentions) for text in described)
    return hits >= _MENTIONS_MIN and hits * _MENTIONS_SHARE >= len(described)


def _service(group: str, clouds: tuple[Vendor, ...]) -> Service | None:
    label = group.partition(".")[0]
    for vendor in clouds:
        found = knowledge().services.get(vendor.name, {}).get(label)
        if found:
            return found
    return None
