"""The bounded extract of a CRD that providers are asked about.

Everything in a Digest stands in its `text` as well, so that a fingerprint over the text covers
whatever an answer can depend on. A digest is bounded in bytes and in work, and does not depend on
the order of keys. The header comes first, then the fields level by level until the bytes are used.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from capscan.core.crd.schema import Node, walk
from capscan.core.text import RAW_CHARS_MAX, fold, lead, paragraphs, shorten
from capscan.model import Crd
from capscan.model.crd import CrdNames

DIGEST_VERSION = 1
"""Part of every fingerprint: raise it when the same CRD would give another text."""

DIGEST_BYTES_MAX = 12 * 1024
NODES_MAX = 5_000
"""At most so many properties are looked at; higher counts mean "at least"."""

_DESCRIPTION_CHARS_MAX = 1_200
_FIELD_CHARS_MAX = (0, 240, 160, 100, 80)
"""The length of a field's description, by depth; the last one counts for all deeper levels."""
_DESCRIPTIONS_CHARS_MAX = 1_000_000
"""So much of all descriptions of fields together is read. Of real CRDs a twentieth of that is read
before the digest is full; descriptions without any text would never fill it."""
_NAME_CHARS_MAX = 253
_PATH_CHARS_MAX = 512
_NAMES_MAX = 10
_ENUM_VALUES_MAX = 8
_ENUM_CHARS_MAX = 40


@dataclass(frozen=True, slots=True)
class DigestField:
    """One field that had room. `path` is like `spec.rules[].host` or `spec.labels{}`."""

    path: str
    depth: int
    """1 for `spec` itself."""
    type: str
    required: bool
    description: str
    enum: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DigestStats:
    """The size of the schema, Kubernetes' own types counted as one field each."""

    field_count: int
    required_count: int


@dataclass(frozen=True, slots=True)
class Digest(CrdNames):
    """What is kept of a CRD: its names, cut to a bounded length, and the gist of its schema."""

    description: str
    """The paragraphs of the CRD's own description, one a line."""
    fields: tuple[DigestField, ...]
    stats: DigestStats
    text: str
    """The canonical rendering, which a model is shown and the fingerprint hashes."""


def digest_crd(crd: Crd) -> Digest:
    """Shorten a CRD to at most DIGEST_BYTES_MAX bytes. Never raises on a parsed Crd."""
    walked = walk(crd.schema, NODES_MAX)
    description = _description(crd)
    stats = DigestStats(len(walked.nodes), sum(node.required for node in walked.nodes))
    levels = max((node.depth for node in walked.nodes), default=0)
    header = _header(crd, description, stats, levels)
    # Room for the one word that says whether the fields were cut, whichever it will be.
    room = DIGEST_BYTES_MAX - len(header.encode()) - len("\ntruncated: false\n")
    fields, listing = _listing(walked.nodes, room)
    truncated = walked.cut or len(fields) < len(walked.nodes)
    return Digest(
        name=bounded_name(crd.name),
        group=bounded_name(crd.group),
        kind=bounded_name(crd.kind),
        plural=bounded_name(crd.plural),
        singular=bounded_name(crd.singular),
        scope=bounded_name(crd.scope),
        short_names=_names(crd.short_names),
        categories=_names(crd.categories),
        version=bounded_name(crd.version),
        versions=_names(crd.versions),
        description=description,
        fields=fields,
        stats=stats,
        text=f"{header}{listing}\ntruncated: {str(truncated).lower()}\n",
    )


def _description(crd: Crd) -> str:
    found = crd.schema.get("description")
    lines = paragraphs(found) if isinstance(found, str) else []
    return shorten("\n".join(lines), _DESCRIPTION_CHARS_MAX)


def _header(crd: Crd, description: str, stats: DigestStats, levels: int) -> str:
    state = "" if crd.served else " (not served)"
    state += " (deprecated)" if crd.deprecated else ""
    told = {
        "name": bounded_name(crd.name),
        "kind": bounded_name(crd.kind),
        "group": bounded_name(crd.group),
        "scope": bounded_name(crd.scope),
        "plural": bounded_name(crd.plural),
        "singular": bounded_name(crd.singular),
        "short names": ", ".join(_names(crd.short_names)),
        "categories": ", ".join(_names(crd.categories)),
        "version": bounded_name(crd.version) + state,
        "versions": ", ".join(_names(crd.versions)),
        "description": description,
        "schema": f"{stats.field_count} fields, {stats.required_count} required, {levels} levels",
    }
    lines = [f"{key}: {value}" for key, value in told.items() if value]
    lines.append("fields (* required, [] list, {} map):")
    return "\n".join(lines)


def _listing(nodes: Iterable[Node], bytes_max: int) -> tuple[tuple[DigestField, ...], str]:
    """Return the fields in the order of the walk until one does not fit, each under the path of its
    parent.
    """
    kept: list[DigestField] = []
    lines: list[str] = []
    parent, used, unread = "", 0, _DESCRIPTIONS_CHARS_MAX
    for node in nodes:
        unread -= min(len(node.description), RAW_CHARS_MAX)
        field = _field(node, node.description if unread >= 0 else "")
        line = f"\n  {_rendered(field, node)}"
        if node.parent != parent:
            line = f"\n{shorten(fold(node.parent), _PATH_CHARS_MAX)}:{line}"
            parent = node.parent
        used += len(line.encode())
        if used > bytes_max:
            break
        kept.append(field)
        lines.append(line)
    return tuple(kept), "".join(lines)


def _field(node: Node, description: str) -> DigestField:
    chars_max = _FIELD_CHARS_MAX[min(node.depth, len(_FIELD_CHARS_MAX) - 1)]
    return DigestField(
        path=shorten(fold(node.path), _PATH_CHARS_MAX),
        depth=node.depth,
        type=bounded_name(node.type),
        required=node.required,
        description=lead(description, chars_max) if description else "",
        enum=tuple(_enum_value(v) for v in node.enum[:_ENUM_VALUES_MAX]),
    )


def _rendered(field: DigestField, node: Node) -> str:
    name = shorten(fold(node.name), _PATH_CHARS_MAX)
    values = f" ({' | '.join(field.enum)})" if field.enum else ""
    about = f": {field.description}" if field.description else ""
    return f"{name}{'*' if field.required else ''} {field.type}{values}{about}"


def _enum_value(value: object) -> str:
    """Return the value as JSON without the quotes: an enum may hold true, null and 3."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return shorten(fold(text), _ENUM_CHARS_MAX)


def bounded_name(value: str) -> str:
    """Return a name on one line and of a length that every real name has."""
    return shorten(fold(value), _NAME_CHARS_MAX)


def _names(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(bounded_name(v) for v in list(values)[:_NAMES_MAX])
