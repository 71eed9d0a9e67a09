"""Tells an answer about another CRD from one about the CRD that was asked about.

Two things give it away: one of the prompt's examples given back, and an answer that names another
kind as its subject and has no word of the asked one. An answer that names nobody is believed: a
check that throws away right answers costs more than it finds.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from capscan.core.answer.prompt import SYSTEM
from capscan.core.crd.digest import Digest
from capscan.model import Analysis

_NOT_IN_WORDS = re.compile(r"[^a-z0-9]")
_EXAMPLE = re.compile(r'CRD named "([^"]+)".*?(\{"capabilities".*?\})\n', re.DOTALL)
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_CRD_NAME = re.compile(r"\b[a-z][a-z0-9-]{1,62}(?:\.[a-z0-9-]{2,62}){2,8}\b")
_SUBJECT = re.compile(r"(?:An?|The|Each|Every|One|This)\s+[\"'`]?([A-Z][A-Za-z0-9]+)")
_COMPOUND = re.compile(r"\b(?:[A-Z][a-z0-9]+){2,8}\b")
_OF_EVERYBODY = frozenset({
    "com", "org", "net", "dev", "k8s", "kubernetes", "sigs", "api", "apis", "crd", "crds", "cloud",
    "app", "apps", "example", "internal", "operator", "operators", "the", "and", "for", "resource",
    "custom", "object", "objects", "cluster", "project", "xyz", "www",
})  # fmt: skip
_WORD_CHARS_MIN = 3
_CAPABILITIES_MIN = 2


@dataclass(frozen=True, slots=True)
class Subject:
    """The CRD that was asked about, as far as an answer can be told by it."""

    name: str
    kind: str
    group: str
    plural: str
    text: str
    """All that the model was shown of it."""

    @classmethod
    def of(cls, digest: Digest) -> "Subject":
        """Return the subject of a question."""
        return cls(digest.name, digest.kind, digest.group, digest.plural, digest.text)

    def mistaken_for(self, analysis: Analysis) -> str:
        """Return what the analysis is about instead; empty where that is not certain."""
        for name, example in _examples().items():
            if name != self.name and _repeats(analysis, example):
                return f"the example {name}"
        said = _all_words(analysis)
        if not self._words or any(word in said for word in self._words):
            return ""
        return next(self._others(analysis, said), "")

    @property
    def _words(self) -> frozenset[str]:
        """The words of kind, plural and group, without their endings."""
        parts = [self.kind, self.plural, *self.group.split(".")]
        words = {word.lower() for part in parts for word in _CAMEL.findall(part)}
        words |= {part.lower() for part in parts}
        kept = {_stem(word) for word in words if len(word) >= _WORD_CHARS_MIN}
        own = {_stem(word.lower()) for word in _CAMEL.findall(self.kind)}
        return frozenset(word for word in kept if word not in _OF_EVERYBODY or word in own)

    def _others(self, analysis: Analysis, said: str) -> Iterator[str]:
        """Yield the kinds and the CRDs that the analysis names and the digest does not."""
        told = f"{analysis.description} {analysis.use_case}"
        shown = self.text.lower()
        providers = " ".join(analysis.providers).lower()
        named = [*_CRD_NAME.findall(told)]
        if subject := _SUBJECT.match(analysis.description):
            named.append(subject[1])
        named += _COMPOUND.findall(analysis.description)
        for name in named:
            plain = name.lower()
            known = plain in shown or plain in providers or plain in _OF_EVERYBODY
            if not known and not name.isupper() and plain in said:
                yield name


def _repeats(analysis: Analysis, example: Analysis) -> bool:
    same = set(analysis.capabilities) & set(example.capabilities)
    return (
        analysis.description == example.description
        or analysis.use_case == example.use_case
        or (len(same) >= _CAPABILITIES_MIN and same == set(analysis.capabilities))
        or analysis.capabilities == example.capabilities
    )


@cache
def _examples() -> dict[str, Analysis]:
    """Return the examples of the prompt, by the names of their CRDs."""
    found = _EXAMPLE.findall(f"{SYSTEM}\n")
    return {name: Analysis.model_validate(json.loads(told)) for name, told in found}


def _all_words(analysis: Analysis) -> str:
    """Return all texts of the analysis in small letters: as they are, and without what stands
    between words.
    """
    lists = [*analysis.capabilities, *analysis.providers, *analysis.abstractions]
    told = " ".join([analysis.description, analysis.use_case, *lists]).lower()
    return f"{told} {_NOT_IN_WORDS.sub('', told)}"


def _stem(word: str) -> str:
    for ending in ("ies", "ses", "es", "s", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= _WORD_CHARS_MIN:
            return word.removesuffix(ending)
    return word
