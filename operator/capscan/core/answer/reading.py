"""Reads an Analysis from what a model answered: tolerant of the form, strict about the substance.

The answer is found in `candidates.py`. Here its fields are read: text is made safe to print, and
what is too long is cut. What is missing is never made up; what is no part of an answer (`leaks.py`)
or speaks of another CRD (`subject.py`) is never taken for one.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from capscan.core.answer.candidates import NAMES, fields_in, fields_thought
from capscan.core.answer.leaks import is_placeholder, is_placeholder_item, leak, without_turn_ends
from capscan.core.answer.lenient_json import CutText, json_list
from capscan.core.answer.subject import Subject
from capscan.core.answer.thoughts import told
from capscan.core.errors import InvalidAnswer
from capscan.core.text import fold, shorten
from capscan.model import Analysis, Complexity

_LETTERS = re.compile(r"[a-z]+")
ANSWER_CHARS_MAX = 128 * 1024
"""A longer answer is not looked at, its thoughts not counted; the largest Analysis has 5,000."""

_CLEANED_CHARS_MAX = 8_000
"""So much of one text is cleaned; what is kept of it is ten times shorter."""
_PERCENT_MIN = 20
_WRITTEN = re.compile(r"\s*(-?\d{1,9}(?:[.,]\d{0,32})?)\s*(%?)(?:/\s*(\d{1,3}))?\s*")
_OUT_OF_REACH = 0.1
"""A confidence this far outside 0 to 1 is another scale, not a slip."""

_SCHEMA = Analysis.model_json_schema(by_alias=True)["properties"]

_TERMINAL = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_BULLET = re.compile(r"^(?:[-*•+]|\d{1,2}[.)])\s+")
_SPLIT_LINES = re.compile(r"[\n;]")
_SPLIT_WORDS = re.compile(r"[\n;,]")
_NOTHING = frozenset({"", "none", "n/a", "na", "null", "nil", "unknown", "-", "not applicable"})


def read_answer(
    answer: str | Mapping[str, Any],
    subject: Subject | None = None,
    *,
    thoughts: str = "",
    whole: bool = False,
) -> Analysis:
    """Return the analysis in an answer: a text, or the object that a tool was called with.

    Thoughts are looked at where the answer has no object; with `whole`, only whole JSON counts.
    Raises InvalidAnswer, whose message says what is wrong, for a person and for the model.
    """
    fields = _found_fields(answer, thoughts, whole=whole)
    missing = [name for name in NAMES.values() if name not in fields and _required(name)]
    if missing:
        raise InvalidAnswer(f"the answer has no {', '.join(missing)}")
    analysis = Analysis(
        capabilities=_phrases(fields, "capabilities", _SPLIT_LINES),
        providers=_phrases(fields, "providers", _SPLIT_WORDS),
        abstractions=_phrases(fields, "abstractions", _SPLIT_WORDS),
        complexity=_complexity(_inner(fields["complexity"])),
        description=_sentence(fields, "description"),
        use_case=_sentence(fields, "useCase"),
        confidence=_confidence(_inner(fields["confidence"])),
    )
    if subject and (other := subject.mistaken_for(analysis)):
        raise InvalidAnswer(f"the answer is about {other}, not about {subject.kind} {subject.name}")
    return analysis


def _found_fields(
    answer: str | Mapping[str, Any], thoughts: str, *, whole: bool
) -> Mapping[str, Any]:
    if isinstance(answer, str) and len(answer) > ANSWER_CHARS_MAX:
        parts = told(answer)
        if sum(len(piece.text) for piece in parts.said) > ANSWER_CHARS_MAX:
            raise InvalidAnswer(f"the answer is longer than {ANSWER_CHARS_MAX} characters")
    found = fields_in(answer, whole=whole)
    if not found and thoughts:
        found = fields_thought(thoughts) or found
    if found:
        return found
    if found is not None:
        raise InvalidAnswer("the answer has none of the fields that were asked for")
    text = "".join(piece.text for piece in told(answer).said) if isinstance(answer, str) else ""
    if not text.strip("\ufeff \t\r\n"):
        raise InvalidAnswer("the answer is empty")
    if whole:
        raise InvalidAnswer("the answer holds no JSON object that is whole")
    beginning = shorten(clean(text[:200]), 60)
    raise InvalidAnswer(f"the answer holds no JSON object; it begins {beginning!r}")


def _required(name: str) -> bool:
    """Return whether the answer must have the field: a CRD may have no provider, but each can do
    something.
    """
    return name not in ("providers", "abstractions")


def _inner(value: object) -> object:
    """Return the value in `{"type": "string", "value": "..."}`: so do models fill a schema in."""
    return value.get("value", value) if isinstance(value, Mapping) else value


def _sentence(fields: Mapping[str, Any], name: str) -> str:
    value = _inner(fields[name])
    text = _own(value, name) if isinstance(value, str) else ""
    if not text:
        raise InvalidAnswer(f"{name} is not a text" if value != "" else f"{name} is empty")
    if isinstance(value, CutText):
        raise InvalidAnswer(f"the answer breaks off in {name}")
    if is_placeholder(text):
        raise InvalidAnswer(f"{name} says nothing of its own: {shorten(text, 40)!r}")
    return shorten(text, _SCHEMA[name]["maxLength"])


def _own(raw: str, name: str) -> str:
    """Return the text that a field says. Raises InvalidAnswer where there is markup in it."""
    text = without_turn_ends(clean(raw))
    if found := leak(text):
        raise InvalidAnswer(f"{name} holds what is no part of it: {found!r}")
    return text


def _phrases(fields: Mapping[str, Any], name: str, separator: re.Pattern[str]) -> list[str]:
    value = _inner(fields.get(name, []))
    if isinstance(value, str):
        _own(value, name)  # before it is cut to pieces
        value = json_list(value) or separator.split(_TERMINAL.sub("", value))
    elif isinstance(value, Mapping) and value and all(str(key).isdecimal() for key in value):
        value = list(value.values())
    if not isinstance(value, list):
        raise InvalidAnswer(f"{name} is not a list of texts")
    bounds = _SCHEMA[name]
    distinct: dict[str, str] = {}
    for text in _texts(value):
        said = _BULLET.sub("", _own(text, name)).strip()
        if is_placeholder_item(said):
            raise InvalidAnswer(f"{name} says nothing of its own: {shorten(said, 40)!r}")
        short = shorten(said, bounds["items"]["maxLength"])
        if short.lower().rstrip(".") not in _NOTHING:
            distinct.setdefault(short.lower(), short)
        if len(distinct) == bounds["maxItems"]:
            break
    return list(distinct.values())


def _texts(items: Iterable[Any]) -> Iterator[str]:
    """Return the texts of a list; of an item such as `{"name": "Issue certificates"}` its first."""
    for item in items:
        inner = (
            next((v for v in item.values() if isinstance(v, str)), "")
            if (isinstance(item, Mapping))
            else item
        )
        listed = json_list(inner) if isinstance(inner, str) else None
        if listed is not None:
            yield from (text for text in listed if isinstance(text, str))
        elif isinstance(inner, str):
            yield inner


def _complexity(value: object) -> Complexity:
    words = set(_LETTERS.findall(value[:80].lower())) if isinstance(value, str) else set()
    named = [level for level in Complexity if level.value in words]
    if len(named) != 1:
        raise InvalidAnswer(f"complexity is {_shown(value)}, not one of {', '.join(Complexity)}")
    return named[0]


def _confidence(value: object) -> float:
    number = _number(value)
    if not -_OUT_OF_REACH <= number <= 1 + _OUT_OF_REACH:  # false for NaN
        raise InvalidAnswer(f"confidence is {_shown(value)}, not a number from 0 to 1")
    return min(max(number, 0.0), 1.0)


def _number(value: object) -> float:
    percent = False
    if isinstance(value, str) and (match := _WRITTEN.fullmatch(value[:64])):
        over = float(match[3]) if match[3] else 1.0
        percent = bool(match[2])
        value = float(match[1].replace(",", ".")) / over if over else math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    if not abs(value) < 1e9:
        return math.nan
    # Nobody means a scale that ends at 1 with a number of two digits.
    return float(value) / (100 if percent or _PERCENT_MIN <= value <= 100 else 1)


def _shown(value: object) -> str:
    if isinstance(value, list | Mapping):
        return "a list" if isinstance(value, list) else "an object"
    return repr(shorten(clean(str(value)[:200]), 40))


def clean(raw: str) -> str:
    """Return one line that is safe to print, so that what one reads is what is there.

    It has no terminal sequences and no control, format, private or unassigned characters.
    """
    kept = "".join(
        char
        for char in _TERMINAL.sub("", raw[:_CLEANED_CHARS_MAX])
        if unicodedata.category(char) not in _UNSAFE
    )
    return fold(kept)


_UNSAFE = frozenset({"Cf", "Cs", "Co", "Cn"})
"""`fold` turns control characters (Cc) into spaces."""
