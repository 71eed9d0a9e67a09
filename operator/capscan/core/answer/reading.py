"""Reads an Analysis from what a model answered: tolerant of the form, strict about the substance.

JSON is found in `lenient_json.py`. Here fields are found under the names that models give them,
text is made safe to print, and what is too long is cut. What is missing is never made up.
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from capscan.core.answer.lenient_json import json_objects
from capscan.core.answer.prompt import answer_schema
from capscan.core.errors import InvalidAnswer
from capscan.core.text import fold, shorten
from capscan.model import Analysis, Complexity

ANSWER_CHARS_MAX = 128 * 1024
"""A longer answer is not looked at, its thoughts not counted; the largest Analysis has 5,000."""

_WRAPPERS_MAX = 4
_CLEANED_CHARS_MAX = 8_000
"""So much of one text is cleaned; what is kept of it is ten times shorter."""
_OUT_OF_REACH = 0.1
"""A confidence this far outside 0 to 1 is another scale, not a slip."""

_NAMES = {name.lower(): name for name in answer_schema()["properties"]}
_SCHEMA = Analysis.model_json_schema(by_alias=True)["properties"]

_TERMINAL = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_BULLET = re.compile(r"^(?:[-*•+]|\d{1,2}[.)])\s+")
_SPLIT_LINES = re.compile(r"[\n;]")
_SPLIT_WORDS = re.compile(r"[\n;,]")
_NOTHING = frozenset({"", "none", "n/a", "na", "null", "nil", "unknown", "-", "not applicable"})


def read_answer(answer: str | Mapping[str, Any]) -> Analysis:
    """Return the analysis in an answer: a text, or the object that a tool was called with.

    Raises InvalidAnswer, whose message says what is wrong, for a person and for the model.
    """
    found = _in_text(answer) if isinstance(answer, str) else _unwrapped(answer)
    fields = _named(found)
    if not fields:
        raise InvalidAnswer("the answer has none of the fields that were asked for")
    missing = [name for name in _NAMES.values() if name not in fields and _required(name)]
    if missing:
        raise InvalidAnswer(f"the answer has no {', '.join(missing)}")
    return Analysis(
        capabilities=_phrases(fields, "capabilities", _SPLIT_LINES),
        providers=_phrases(fields, "providers", _SPLIT_WORDS),
        abstractions=_phrases(fields, "abstractions", _SPLIT_WORDS),
        complexity=_complexity(fields["complexity"]),
        description=_sentence(fields, "description"),
        use_case=_sentence(fields, "useCase"),
        confidence=_confidence(fields["confidence"]),
    )


def _in_text(answer: str) -> Mapping[str, Any]:
    """Return the object in a text that has most of the fields; of equals the first."""
    text = answer.rpartition("</think>")[2].strip("\ufeff \t\r\n")
    if not text:
        raise InvalidAnswer("the answer is empty")
    if len(text) > ANSWER_CHARS_MAX:
        raise InvalidAnswer(f"the answer is longer than {ANSWER_CHARS_MAX} characters")
    objects = (_unwrapped(found) for found in json_objects(_decoded(text)))
    best = max(objects, key=lambda found: len(_named(found)), default=None)
    if best is None:
        beginning = shorten(clean(text[:200]), 60)
        raise InvalidAnswer(f"the answer holds no JSON object; it begins {beginning!r}")
    return best


def _decoded(text: str) -> str:
    """Return the text in a JSON string, as some gateways wrap an answer."""
    for _ in range(2):
        if not text.startswith('"'):
            break
        try:
            inner = json.loads(text, strict=False)
        except (ValueError, RecursionError):
            break
        text = inner.strip() if isinstance(inner, str) else text
    return text


def _unwrapped(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object inside of `{"analysis": {...}}` and of `{"answer": "{...}"}`."""
    for _ in range(_WRAPPERS_MAX):
        if _named(found) or len(found) != 1:
            break
        inner = next(iter(found.values()))
        if isinstance(inner, list) and len(inner) == 1:
            inner = inner[0]
        if isinstance(inner, str) and len(inner) <= ANSWER_CHARS_MAX:
            inner = next(json_objects(inner), None)
        if not isinstance(inner, Mapping):
            break
        found = inner
    return found


def _named(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields by their proper names: models write `use_case` and `Use Case` as well."""
    fields: dict[str, Any] = {}
    for key, value in found.items():
        name = _NAMES.get(re.sub(r"[\W_]", "", str(key)[:40]).lower())
        if name and value is not None:
            fields.setdefault(name, value)
    return fields


def _required(name: str) -> bool:
    """Return whether the answer must have the field: a CRD may have no provider, but each can do
    something.
    """
    return name not in ("providers", "abstractions")


def _sentence(fields: Mapping[str, Any], name: str) -> str:
    value = fields[name]
    text = clean(value) if isinstance(value, str) else ""
    if not text:
        raise InvalidAnswer(f"{name} is not a text" if value != "" else f"{name} is empty")
    return shorten(text, _SCHEMA[name]["maxLength"])


def _phrases(fields: Mapping[str, Any], name: str, separator: re.Pattern[str]) -> list[str]:
    value = fields.get(name, [])
    if isinstance(value, str):
        value = separator.split(_TERMINAL.sub("", value))
    if not isinstance(value, list):
        raise InvalidAnswer(f"{name} is not a list of texts")
    bounds = _SCHEMA[name]
    distinct: dict[str, str] = {}
    for text in _texts(value):
        short = shorten(_BULLET.sub("", clean(text)).strip(), bounds["items"]["maxLength"])
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
        if isinstance(inner, str):
            yield inner


def _complexity(value: object) -> Complexity:
    words = set(re.findall(r"[a-z]+", value[:80].lower())) if isinstance(value, str) else set()
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
    if isinstance(value, str) and (
        match := re.fullmatch(r"\s*(-?\d{1,9}(?:\.\d{0,32})?)\s*(%?)\s*", value[:64])
    ):
        return float(match[1]) / (100 if match[2] else 1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value) if abs(value) < 1e9 else math.nan


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
