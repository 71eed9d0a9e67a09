"""What the providers demand of a JSON schema before they hold an answer to it.

Not all of it: the rules that ordinary schemas break.
"""

from collections.abc import Iterator
from typing import Any

_NOT_IN_ANTHROPIC = {
    "string": ("minLength", "maxLength"),
    "array": ("maxItems",),
    "number": ("minimum", "maximum", "multipleOf"),
    "integer": ("minimum", "maximum", "multipleOf"),
}


def openai_strict_fault(schema: dict[str, Any]) -> str:
    """Return why strict mode would refuse a schema; empty if it would not."""
    for path, node in _nodes(schema, ()):
        if node.get("type") != "object":
            continue
        if node.get("additionalProperties") is not False:
            return f"In context={path}, 'additionalProperties' is required and must be false."
        if set(node.get("required", ())) != set(node.get("properties", {})):
            return f"In context={path}, 'required' must name every key in properties."
    return ""


def bound_in(schema: dict[str, Any]) -> str:
    """Return a keyword that bounds a length; empty where there is none."""
    words = ("maxItems", "maxLength", "minItems", "minLength")
    return next((word for _, node in _nodes(schema, ()) for word in words if word in node), "")


def anthropic_fault(schema: dict[str, Any]) -> str:
    """Return why structured output would refuse a schema; empty if it would not."""
    for _, node in _nodes(schema, ()):
        kind = node.get("type", "")
        if kind == "object" and node.get("additionalProperties") is not False:
            return "For 'object' type, 'additionalProperties' must be explicitly set to false"
        for word in _NOT_IN_ANTHROPIC.get(kind if isinstance(kind, str) else "", ()):
            if word in node:
                return f"For '{kind}' type, property '{word}' is not supported"
    return ""


def _nodes(
    schema: dict[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield the schema and every schema in it."""
    yield path, schema
    for name in ("properties", "$defs"):
        for key, child in schema.get(name, {}).items():
            yield from _nodes(child, (*path, name, key))
    if isinstance(schema.get("items"), dict):
        yield from _nodes(schema["items"], (*path, "items"))
