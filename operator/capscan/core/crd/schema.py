"""Walks an OpenAPI v3 schema breadth first, in an order that does not depend on key order.

The walk is bounded by the number of nodes, not by depth or bytes. Types that every pod brings along
(PodSpec, Container, Affinity ...) are named and not entered: they are most of the bytes of large
CRDs and tell nothing about what a CRD is for. The next step is `digest.py`, which renders the walk.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from capscan.core.crd.k8s_types import known_type

_CONTAINERS_MAX = 8
"""At most so many lists and maps around a type are unwrapped."""

PATH_CHARS_MAX = 4_000
"""Of a longer path to a field, the beginning is kept."""

_BOILERPLATE = frozenset({"apiVersion", "kind", "metadata", "status"})


@dataclass(frozen=True, slots=True)
class Node:
    """One property. `name` carries a suffix for each container around it: `hosts[]`, `tags{}`."""

    parent: str
    name: str
    depth: int
    type: str
    required: bool
    description: str
    """As it stands in the schema, of any length."""
    enum: tuple[Any, ...]

    @property
    def path(self) -> str:
        return f"{self.parent}.{self.name}" if self.parent else self.name


@dataclass(frozen=True, slots=True)
class Walk:
    """The properties that were found; `cut` says that there are more of them."""

    nodes: tuple[Node, ...]
    cut: bool


def walk(schema: Mapping[str, Any], nodes_max: int) -> Walk:
    """Return at most `nodes_max` properties level by level: required ones first, then by name."""
    nodes: list[Node] = []
    entered = deque([("", 0, _top_level(schema))])
    while entered:
        parent, depth, holder = entered.popleft()
        for node, inner in _children(parent, depth + 1, holder):
            if len(nodes) == nodes_max:
                return Walk(tuple(nodes), cut=True)
            nodes.append(node)
            if "properties" in inner and node.type == "object":
                # Names of any length, joined level by level, would be as long as their sum squared.
                entered.append((node.path[:PATH_CHARS_MAX], node.depth, inner))
    return Walk(tuple(nodes), cut=False)


def _top_level(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema without the fields that every object has. The status repeats the spec or
    reports on it, so it counts only where there is nothing else, and then to its first level.
    """
    properties = _mapping(schema.get("properties"))
    own = {name: value for name, value in properties.items() if name not in _BOILERPLATE}
    if not own:
        own = {f"status.{k}": _leaf(v) for k, v in _properties(properties.get("status"))}
    return {**schema, "properties": own}


def _properties(schema: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    properties: Mapping[Any, Any] = _mapping(_mapping(schema).get("properties"))
    return ((k, _mapping(v)) for k, v in properties.items() if isinstance(k, str))


def _leaf(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in schema.items() if key != "properties"}


def _children(
    parent: str, depth: int, holder: Mapping[str, Any]
) -> Iterator[tuple[Node, Mapping[str, Any]]]:
    listed = holder.get("required")
    required = {r for r in listed if isinstance(r, str)} if isinstance(listed, list) else set()
    found = dict(_properties(holder))
    for name in sorted(found, key=lambda n: (n not in required, n)):
        suffix, inner = _unwrap(found[name])
        node = Node(
            parent=parent,
            name=name + suffix,
            depth=depth,
            type=_twin(name, found) or _type(inner),
            required=name in required,
            description=_description(found[name]) or _description(inner),
            enum=_enum(inner),
        )
        yield node, inner


def _unwrap(schema: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    suffix = ""
    for _ in range(_CONTAINERS_MAX):
        items, values = schema.get("items"), schema.get("additionalProperties")
        if isinstance(items, Mapping):
            suffix, schema = suffix + "[]", items
        elif isinstance(values, Mapping) and "properties" not in schema:
            suffix, schema = suffix + "{}", values
        else:
            break
    return suffix, schema


def _twin(name: str, siblings: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a name for Crossplane's `initProvider`, which is not entered because it repeats
    `forProvider` field by field; empty for other fields.
    """
    return "InitProvider" if name == "initProvider" and "forProvider" in siblings else ""


def _type(schema: Mapping[str, Any]) -> str:
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and properties:
        return known_type(properties) or "object"
    if schema.get("x-kubernetes-int-or-string") is True:
        return "int-or-string"
    declared = schema.get("type")
    if declared == "object" or not isinstance(declared, str):
        return "any"
    return declared


def _description(schema: Mapping[str, Any]) -> str:
    found = schema.get("description")
    return found if isinstance(found, str) else ""


def _enum(schema: Mapping[str, Any]) -> tuple[Any, ...]:
    found = schema.get("enum")
    return tuple(found) if isinstance(found, list) else ()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
