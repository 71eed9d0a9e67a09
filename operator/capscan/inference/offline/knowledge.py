"""What is known beforehand, as values: topics, vendors, cloud services.

The tables are lexicon.yaml, vendors.yaml and services.yaml. A table with an error fails here, at
the first use, and in the tests. How good answers are depends mostly on these tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from capscan.inference.offline.data import read_data
from capscan.inference.offline.words import stems

CAPABILITY_CHARS_MAX = 40
"""The longest phrase that a table may have: what fits a column."""

Stems = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """A concept that platform engineers have a word for (see the head of lexicon.yaml)."""

    id: str
    names: tuple[frozenset[str], ...]
    unless: tuple[frozenset[str], ...]
    fields: tuple[Stems, ...]
    text: tuple[str, ...]
    do: tuple[str, ...]
    nouns: tuple[str, ...]
    use: str
    weight: float


@dataclass(frozen=True, slots=True)
class Vendor:
    """Who stands behind an API group (see the head of vendors.yaml)."""

    name: str
    groups: tuple[str, ...]
    words: frozenset[str]
    fields: frozenset[str]
    mentions: tuple[str, ...]
    about: str
    title: str
    topics: tuple[str, ...]
    provider: bool


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a cloud."""

    name: str
    about: str
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All tables."""

    topics: Mapping[str, Topic]
    vendors: tuple[Vendor, ...]
    services: Mapping[str, Mapping[str, Service]]
    """Services by vendor, then by the first label of the API group."""
    by_word: Mapping[str, tuple[Topic, ...]] = field(repr=False)
    """Topics by each word of their `names`: a name with that word can mean only these."""
    by_field: Mapping[Stems, tuple[Topic, ...]] = field(repr=False)
    """Topics by each entry of their `fields`."""


@cache
def knowledge() -> Knowledge:
    """Return all tables; they are read once per process."""
    topics = [_topic(row) for row in read_data("lexicon.yaml")]
    by_word: dict[str, list[Topic]] = {}
    by_field: dict[Stems, list[Topic]] = {}
    for topic in topics:
        for word in sorted(set().union(*topic.names)):
            by_word.setdefault(word, []).append(topic)
        for words in topic.fields:
            by_field.setdefault(words, []).append(topic)
    return Knowledge(
        topics={topic.id: topic for topic in topics},
        vendors=tuple(_vendor(row) for row in read_data("vendors.yaml")),
        services={
            vendor: {label: _service(row) for label, row in rows.items()}
            for vendor, rows in read_data("services.yaml").items()
        },
        by_word={word: tuple(found) for word, found in by_word.items()},
        by_field={words: tuple(found) for words, found in by_field.items()},
    )


_TOPIC_KEYS = frozenset(["id", "names", "unless", "fields", "text", "do", "is", "use", "weight"])
_VENDOR_KEYS = frozenset(
    ["name", "groups", "words", "fields", "mentions", "about", "title", "topics", "provider"]
)
_SERVICE_KEYS = frozenset(["name", "about", "topics"])


def _checked(row: Mapping[str, Any], keys: frozenset[str]) -> Mapping[str, Any]:
    """Return a row without unknown keys: an unquoted comma makes a key of half a sentence.

    Raises ValueError.
    """
    if unknown := sorted(str(key) for key in row.keys() - keys):
        raise ValueError(f"unknown keys {unknown} in the row {dict(row)}")
    return row


def _topic(row: Mapping[str, Any]) -> Topic:
    row = _checked(row, _TOPIC_KEYS)
    return Topic(
        id=row["id"],
        names=tuple(frozenset(stems(words)) for words in row.get("names", ())),
        unless=tuple(frozenset(stems(words)) for words in row.get("unless", ())),
        fields=tuple(stems(words) for words in row.get("fields", ())),
        text=tuple(row.get("text", ())),
        do=tuple(row.get("do", ())),
        nouns=tuple(row.get("is", ())),
        use=row.get("use", ""),
        weight=row.get("weight", 1.0),
    )


def _vendor(row: Mapping[str, Any]) -> Vendor:
    row = _checked(row, _VENDOR_KEYS)
    return Vendor(
        name=row["name"],
        groups=tuple(row.get("groups", ())),
        words=frozenset(row.get("words", ())),
        fields=frozenset(row.get("fields", ())),
        mentions=tuple(row.get("mentions", ())),
        about=row["about"],
        title=row.get("title", row["name"]),
        topics=tuple(row.get("topics", ())),
        provider=row.get("provider", True),
    )


def _service(row: Mapping[str, Any]) -> Service:
    row = _checked(row, _SERVICE_KEYS)
    return Service(name=row["name"], about=row["about"], topics=tuple(row.get("topics", ())))
