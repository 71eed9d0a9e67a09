"""Objects as tests want them: valid by default, odd on request.

`crd(...)` gives a body that a real API server accepts; a test that wants a broken one breaks it
itself.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Schema = dict[str, Any]

SPEC: Schema = {
    "type": "object",
    "description": "WidgetSpec defines the desired state of Widget.",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "description": "How large it is."},
        "colour": {"type": "string", "enum": ["red", "green"], "description": "Its colour."},
    },
}


def crd(
    plural: str = "widgets",
    *,
    group: str = "example.com",
    kind: str = "",
    scope: str = "Namespaced",
    description: str = "A Widget turns one thing into another.",
    schema: Schema | None = None,
    versions: Iterable[str | Mapping[str, Any]] = ("v1",),
    short_names: Iterable[str] = (),
    categories: Iterable[str] = (),
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A full CustomResourceDefinition as kubectl could apply it.

    `schema` is that of `spec` alone, or a whole one if it has a `properties` with a `spec` in it.
    `versions` are names, the first one stored, or whole version objects.
    """
    singular = plural.removesuffix("s")
    whole = _whole(schema if schema is not None else SPEC, description)
    names: dict[str, Any] = {
        "plural": plural,
        "singular": singular,
        "kind": kind or singular.capitalize(),
        "listKind": f"{kind or singular.capitalize()}List",
    }
    if short_names:
        names["shortNames"] = list(short_names)
    if categories:
        names["categories"] = list(categories)
    metadata: dict[str, Any] = {"name": f"{plural}.{group}"}
    if labels:
        metadata["labels"] = dict(labels)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": group,
            "scope": scope,
            "names": names,
            "versions": [_version(v, whole, first=i == 0) for i, v in enumerate(versions)],
        },
    }


def _version(version: str | Mapping[str, Any], schema: Schema, *, first: bool) -> dict[str, Any]:
    given = {"name": version} if isinstance(version, str) else dict(version)
    return {"served": True, "storage": first, "schema": {"openAPIV3Schema": schema}} | given


def _whole(schema: Schema, description: str) -> Schema:
    if "spec" in schema.get("properties", {}):
        return schema
    whole: Schema = {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": schema,
        },
    }
    return whole | ({"description": description} if description else {})


def nested(depth: int) -> Schema:
    """An object in an object ..., `depth` of them, a string at the bottom."""
    schema: Schema = {"type": "string", "description": "The bottom."}
    for level in range(depth, 0, -1):
        schema = {"type": "object", "properties": {f"level{level}": schema}}
    return schema


def wide(bytes_min: int) -> Schema:
    """A structural schema of at least so many bytes: objects beside objects, with much prose."""
    prose = "It says at some length what the field is good for, and then again. " * 12
    leaf: Schema = {"type": "string", "description": prose}
    row: Schema = {"type": "object", "properties": {f"field{i:02}": leaf for i in range(40)}}
    rows = bytes_min // (40 * len(prose)) + 1
    return {"type": "object", "properties": {f"row{i:03}": row for i in range(rows)}}
