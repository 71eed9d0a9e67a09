"""What somebody writes who wants to stop the operator, or to fool its readers."""

import json
from typing import Any

from tests.builders import Schema, crd

UNITS = (
    ", ", "( ", "\n ", "A. ", "1. ", "[](", "_", "<", "see https://a ", "more info is at ",
    "\u200b", "\U000e0041", "\u3164", "e\u0301\u0301\u0301\u0301", "\x1b[2J", "\x9b31m",
)  # fmt: skip
"""Texts are made of one of these, again and again: it takes a careless pattern long."""
CHARS = 3900
"""As much of each description as is read."""


def schema(bytes_min: int) -> Schema:
    """Return a structural schema of about so many bytes."""
    properties: Schema = {}
    size = 0
    while size < bytes_min:
        unit = UNITS[len(properties) % len(UNITS)]
        text = unit * (CHARS // len(unit))
        properties[f"field{len(properties):04}"] = {"type": "string", "description": text}
        # As etcd counts it: the API server escapes what JSON has to escape, and `<` too.
        size += len(json.dumps(text.replace("<", "\0"), ensure_ascii=False).encode())
    return {"type": "object", "properties": properties}


def hostile_crd(group: str, bytes_min: int = 1_400_000) -> dict[str, Any]:
    """Return a CRD that is nearly as large as etcd takes one."""
    return crd("bombs", group=group, description=", " * 2000, schema=schema(bytes_min))
