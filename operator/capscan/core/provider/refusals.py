"""Compares refusals, and says whose fault a row of them is: the provider's, or one question's.

No table knows all the ways in which a provider turns everything down. But it does so in the same
words each time, and answers nobody between two of them. What is remembered of a provider is in
`diagnosis.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

_STATUS = re.compile(r"\b[45]\d\d\b")
REFUSALS_MAX = 3
"""So many questions turned down in a row mean that the provider turns down all of them."""
TRIES_MAX = 3
HELD_UP_S_MAX = 600.0
"""A question that was turned down so often, and first so long ago, by a provider that has answered
others may be at fault itself: or the last questions of a run could hold it up for ever."""
WORDS_MAX = 64

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_HEX = re.compile(r"\b[0-9a-f]{8,}\b")
_WORD = re.compile(r"\w+")


class Blame(Enum):
    """Whose fault it is that a question was turned down."""

    QUESTION = auto()
    PROVIDER = auto()
    UNDECIDED = auto()
    """What comes of other questions will tell."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How the question about one CRD was turned down."""

    first_s: float
    words: str = ""
    """What was said, as `same_words` returns it; empty for words that are for all in any case."""
    times: int = 1


def same_words(message: str, about: str = "") -> str:
    """Return what two refusals for one reason have in common: no numbers, no hexadecimal digits, no
    identifiers, nothing of the CRD `about` which the question was. Words with a digit in them are
    identifiers.
    """
    text = _HEX.sub(" ", _UUID.sub(" ", message.casefold()))
    own = set(_WORD.findall(about.casefold()))
    words = [
        word
        for word in _WORD.findall(text)
        if word not in own and not any(letter.isdigit() for letter in word)
    ]
    status = _STATUS.search(message)
    return " ".join([status.group() if status else "", *words[:WORDS_MAX]])


def in_a_row(refusals: Mapping[str, Refusal], words: str, healthy_s: float) -> int:
    """Return how many questions were turned down in these words since the newest of those was sent
    that were answered.
    """
    return sum(one.first_s >= healthy_s and one.words == words for one in refusals.values())


def blame(
    refusal: Refusal, row: int, now_s: float, *, on_trial: bool, ever_answered: bool, alone: bool
) -> Blame:
    """Return whose fault a refusal is, with `row` equal ones in a row.

    `on_trial`: the provider is suspected already, and one question at a time tries. `alone`: no
    other question is under way that could tell.
    """
    if on_trial:
        long = refusal.times >= TRIES_MAX and now_s >= refusal.first_s + HELD_UP_S_MAX
        return Blame.QUESTION if ever_answered and long else Blame.PROVIDER
    if row >= REFUSALS_MAX or (alone and row > 1):
        return Blame.PROVIDER
    return Blame.QUESTION if alone else Blame.UNDECIDED
