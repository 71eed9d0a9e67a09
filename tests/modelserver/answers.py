"""What the model says about a CRD: an answer as capscan asks for it, and the ways to get it wrong.

The text is derived from name and kind alone, so that the same question has the same answer.
"""

import json
from collections.abc import Callable
from typing import Any
from zlib import crc32

Answer = dict[str, Any]

_PART_CHARS_MAX = 40


def right(name: str, kind: str) -> Answer:
    """Return a valid answer, which keeps every bound however long the name is."""
    plural, _, group = name.partition(".")
    plural, kind = plural[:_PART_CHARS_MAX], (kind or plural)[:_PART_CHARS_MAX]
    vendor = group.split(".")[0][:_PART_CHARS_MAX]
    mixed = crc32(name.encode())
    return {
        "capabilities": [f"Declare {plural}", f"Change {plural} in place", f"Follow each {kind}"],
        "providers": [vendor] if vendor else [],
        "abstractions": [kind],
        "complexity": ("low", "medium", "high")[mixed % 3],
        "description": f"A {kind} declares one of the {plural} that {vendor or 'it'} looks after.",
        "useCase": f"Reach for it when {plural} should be kept in Git and made by {vendor}.",
        "confidence": 0.5 + mixed % 50 / 100,
    }


def rendered(answer: object) -> str:
    """Return the answer as a model would write it."""
    return json.dumps(answer, ensure_ascii=False)


def _without(answer: Answer, field: str) -> Answer:
    return {key: value for key, value in answer.items() if key != field}


def _raw_control_characters(answer: Answer) -> str:
    text = rendered(answer | {"description": "one@two@three"})
    return text.replace("@", "\x01\n\t")


def _commented(answer: Answer) -> str:
    return "// What it is for.\n" + rendered(answer).replace("{", "{ /* all of it */ ", 1)


def _truncated(answer: Answer) -> str:
    text = rendered(answer)
    return text[: len(text) // 2]


WRONG: dict[str, Callable[[Answer], str]] = {
    "fenced": lambda a: f"```json\n{rendered(a)}\n```",
    "prose": lambda a: f"Sure! Here is the analysis:\n\n{rendered(a)}\n\nAnything else?",
    "trailing_comma": lambda a: rendered(a)[:-1] + ",}",
    "truncated": _truncated,
    "single_quotes": str,
    "missing_field": lambda a: rendered(_without(a, "description")),
    "extra_field": lambda a: rendered(a | {"mood": "good", "notes": ["none"]}),
    "wrong_type": lambda a: rendered(a | {"confidence": "very", "abstractions": {"a": 1}}),
    "null": lambda _: "null",
    "empty_object": lambda _: "{}",
    "empty_list": lambda _: "[]",
    "list": lambda a: rendered([a]),
    "number": lambda _: "42",
    "nan": lambda a: rendered(a | {"confidence": float("nan")}),
    "complexity_capitals": lambda a: rendered(a | {"complexity": a["complexity"].upper()}),
    "complexity_unknown": lambda a: rendered(a | {"complexity": "brutal"}),
    "capabilities_string": lambda a: rendered(a | {"capabilities": a["capabilities"][0]}),
    "two_objects": lambda a: f"{rendered(a)}\n{rendered(a)}",
    "bom": lambda a: f"\ufeff{rendered(a)}",
    "comments": _commented,
    "nested": lambda a: rendered({"analysis": a}),
    "over_long": lambda a: rendered(
        a | {"description": "long " * 1000, "capabilities": ["Do " * 200] * 100}
    ),
    "control_characters": _raw_control_characters,
    "double_encoded": lambda a: rendered(rendered(a)),
    "empty": lambda _: "",
}
"""Texts that are not the right answer, by name; some can be read all the same."""
