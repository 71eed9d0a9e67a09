"""Turns names as schemas write them into words as people write them.

How a word is spelled is data (words.yaml). The same `stems` are taken of what is looked for and of
what is found, so that a wrong stem does no harm as long as it is wrong on both sides.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from capscan.inference.offline.data import read_data

_COMPOUND = re.compile(r"[a-z][A-Z0-9]|[0-9][a-z]")


@dataclass(frozen=True, slots=True)
class _Spelling:
    written: dict[str, str]
    unchanging: frozenset[str]
    vowel_no: frozenset[str]
    vowel_yes: frozenset[str]
    not_telling: frozenset[str]
    generic_labels: frozenset[str]
    pieces: re.Pattern[str]


@cache
def _spelling() -> _Spelling:
    data = read_data("words.yaml")
    compound = [w for w in data["written"] if _COMPOUND.search(w)]
    # Fields write mariaDbRef where kinds write MariaDB.
    variants = {v for w in compound for v in (w, w[0].lower() + w[1:], w.replace("DB", "Db"))}
    variants |= {v[0].lower() + v[1:] for v in variants}
    pieces = [
        *(rf"{re.escape(v)}(?![a-z])" for v in sorted(variants, key=lambda v: (-len(v), v))),
        r"[A-Z]{2,}s(?![a-z])",
        r"[A-Z]{2,}[0-9]*(?=[A-Z][a-z]|[^A-Za-z0-9]|$)",
        r"[A-Z]?[a-z]+[0-9]*",
        r"[A-Z]+[0-9]*",
        r"[0-9]+",
    ]
    return _Spelling(
        written={w.lower(): w for w in data["written"]} | data["spelled"],
        unchanging=frozenset(data["unchanging"]),
        vowel_no=frozenset(data["vowel_no"]),
        vowel_yes=frozenset(data["vowel_yes"]),
        not_telling=frozenset(data["not_telling"]),
        generic_labels=frozenset(data["generic_labels"]),
        pieces=re.compile("|".join(pieces)),
    )


def not_telling() -> frozenset[str]:
    """Return the words of field names that say nothing of a CRD's purpose."""
    return _spelling().not_telling


@lru_cache(maxsize=4096)
def split_name(name: str) -> tuple[str, ...]:
    """Split a name into words: `HTTPRoute` -> HTTP, Route; `EC2NodeClass` -> EC2, Node, Class."""
    return tuple(_spelling().pieces.findall(name))


def group_words(group: str) -> tuple[str, ...]:
    """Return the labels of an API group that say something, hyphenated ones also in parts."""
    found: list[str] = []
    own = group.lower().removesuffix(".github.io").removesuffix(".gitlab.io")
    for label in own.split("."):
        found += [label, *(label.split("-") if "-" in label else [])]
    generic = _spelling().generic_labels
    return tuple(word for word in found if word and word not in generic)


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """Return the word in lower case and singular, which is enough to compare by."""
    word = word.lower()
    if len(word) <= 3 or word in _spelling().unchanging or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return word[:-2]
    return word.removesuffix("s")


def stems(text: str) -> tuple[str, ...]:
    """Return the stems of a phrase, or of a name in any case."""
    return tuple(stem(word) for piece in text.split() for word in split_name(piece))


def phrase(name: str) -> str:
    """Return a name in words: `DNSEndpoint` -> `DNS endpoint`."""
    return " ".join(_written(word) for word in split_name(name))


def _written(word: str) -> str:
    known = _spelling().written.get(word.lower())
    if known:
        return known
    if word.endswith("s") and (single := _spelling().written.get(word[:-1].lower())):
        return single + "s"
    # A word in capitals that the tables do not have is taken for an abbreviation.
    return word if len(word) > 1 and word.isupper() else word.lower()


def plural(words: str) -> str:
    """Return the plural: `policy` -> `policies`, `node class` -> `node classes`."""
    head, _, last = words.rpartition(" ")
    if not last:
        return words
    return f"{head} {_plural(last)}".strip()


def _plural(word: str) -> str:
    low = word.lower()
    if low in {"address", "process", "class", "ingress", "bus", "alias", "status"}:
        return word + "es"
    if low in _spelling().unchanging or (low.endswith("s") and not low.endswith("ss")):
        return word
    if low.endswith("y") and low[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if low.endswith(("ss", "x", "ch", "sh", "z")) else "s")


def has_no_article(words: str) -> bool:
    """Return whether the words are a plural already, or uncountable: `endpoints`, `chaos`."""
    last = words.rpartition(" ")[2].lower()
    countable = last in {"address", "process", "class", "ingress", "bus", "alias", "status"}
    return not countable and (
        last in _spelling().unchanging or (last.endswith("s") and not last.endswith("ss"))
    )


def with_article(words: str) -> str:
    """Return the words with an article if they take one: `an HTTP route`, `a user`, `chaos`."""
    return words if has_no_article(words) else f"{article(words)} {words}"


def article(words: str) -> str:
    """Return `a` or `an`, by how the first word is spoken."""
    first = words.split(" ", 1)[0]
    spelling, low = _spelling(), first.lower().rstrip(".,;:")
    if low in spelling.vowel_yes:
        return "an"
    if low in spelling.vowel_no or any(low.startswith(w) for w in spelling.vowel_no if len(w) > 3):
        return "a"
    # An abbreviation is read letter by letter: an SLO, a TLS.
    spelt_out = first.isupper() and 2 <= len(first) <= 4
    return "an" if low and low[0] in ("aefhilmnorsx" if spelt_out else "aeiou") else "a"


_ARTICLE = re.compile(r"\b([Aa])n? (?=([A-Za-z0-9.\-]+))")


def fix_articles(sentence: str) -> str:
    """Correct `a` where it has to be `an`: `a Azure account`. A wrong `an` is rare, and stays."""

    def fixed(match: re.Match[str]) -> str:
        if match.group(0).lower().strip() == "a" and article(match.group(2)) == "an":
            return f"{match.group(1)}n "
        return match.group(0)

    return _ARTICLE.sub(fixed, sentence)
