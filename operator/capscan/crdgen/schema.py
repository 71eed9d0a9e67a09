"""Turns a pydantic model into a structural schema, as Kubernetes wants it in a CRD.

Structural means: no `$ref`, no `anyOf` around a type, every node typed. Beyond that, every node has
a description, fields with a default are not required, and lists say how they merge. A keyword that
is not in `_KEYWORDS` is an error here rather than a surprise in a cluster.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_KEYWORDS = (
    "description",
    "type",
    "format",
    "enum",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "required",
    "properties",
    "additionalProperties",
    "items",
)
"""The keywords in the order in which a reader wants them: what a field is, its bounds, what is in
it."""

_INT32_MAX = 2**31 - 1


def structural(model: type[BaseModel]) -> Schema:
    """Return the schema of `model`. Raises ValueError where a node has no description or no
    type.
    """
    document = model.model_json_schema(by_alias=True, mode="serialization")
    return _node(document, document.get("$defs", {}), model.__name__)


def _node(raw: Mapping[str, Any], defs: Mapping[str, Any], path: str) -> Schema:
    node = _inlined(raw, defs, path)
    node["description"] = " ".join(node.get("description", "").split())
    if node.get("default", ...) is None:
        del node["default"]
    match node.get("type"):
        case "object":
            _object(node, defs, path)
        case "array":
            node.setdefault("x-kubernetes-list-type", "atomic")
            node["items"] = _node(node["items"], defs, f"{path}[]")
        case "integer":
            node["format"] = "int32" if node.get("maximum", 2**63) <= _INT32_MAX else "int64"
        case "string" | "boolean" | "number":
            pass
        case other:
            raise ValueError(f"{path}: type {other!r} has no place in a structural schema")
    if not node["description"]:
        raise ValueError(f"{path}: no description")
    if unknown := node.keys() - set(_KEYWORDS):
        raise ValueError(f"{path}: keywords {sorted(unknown)} have no place in a CRD")
    return {keyword: node[keyword] for keyword in _KEYWORDS if keyword in node}


def _object(node: Schema, defs: Mapping[str, Any], path: str) -> None:
    if "properties" in node:
        node["properties"] = {
            name: _node(child, defs, f"{path}.{name}") for name, child in node["properties"].items()
        }
        if "default" in node:
            # The API server fills in the defaults below an empty object by itself.
            node["default"] = {}
    else:
        node["additionalProperties"] = _node(node["additionalProperties"], defs, f"{path}.*")


def _inlined(raw: Mapping[str, Any], defs: Mapping[str, Any], path: str) -> Schema:
    """Return `raw` with references replaced by what they refer to. A keyword beside a reference
    wins over the same keyword behind it.
    """
    beside = {k: v for k, v in raw.items() if k not in {"$ref", "anyOf", "$defs", "title"}}
    if "$ref" in raw:
        return _inlined(defs[raw["$ref"].removeprefix("#/$defs/")], defs, path) | beside
    if "anyOf" in raw:
        # `X | None`: an optional field, which in a CRD is one that is not required.
        only, *others = (option for option in raw["anyOf"] if option != {"type": "null"})
        if others:
            raise ValueError(f"{path}: more than one type has no place in a structural schema")
        return _inlined(only, defs, path) | beside
    return beside
