"""Reads a CustomResourceDefinition as the API server returns it.

Whatever is missing or of the wrong type becomes an empty value here, so that no other module has to
expect it. The schema is passed on as it is; `schema.py` walks it and tolerates as much.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from capscan.model import Crd


def parse_crd(body: Mapping[str, Any]) -> Crd:
    """Return the CRD. Any JSON object will do: odd CRDs get an answer too, instead of a failure."""
    metadata, spec = _mapping(body.get("metadata")), _mapping(body.get("spec"))
    names = _mapping(spec.get("names"))
    name = _text(metadata.get("name"))
    plural_of_name, _, group_of_name = name.partition(".")
    plural = _text(names.get("plural")) or plural_of_name
    kind = _text(names.get("kind")) or plural
    versions = tuple(_mappings(spec.get("versions")))
    chosen = _version_in_use(versions)
    return Crd(
        name=name,
        uid=_text(metadata.get("uid")),
        generation=_whole_number(metadata.get("generation")),
        group=_text(spec.get("group")) or group_of_name,
        kind=kind,
        plural=plural,
        singular=_text(names.get("singular")) or kind.lower(),
        scope=_text(spec.get("scope")),
        short_names=_texts(names.get("shortNames")),
        categories=_texts(names.get("categories")),
        version=_text(chosen.get("name")),
        versions=tuple(n for v in versions if (n := _text(v.get("name")))),
        served=chosen.get("served") is True,
        deprecated=chosen.get("deprecated") is True,
        schema=_mapping(_mapping(chosen.get("schema")).get("openAPIV3Schema")),
    )


def _version_in_use(versions: tuple[Mapping[str, Any], ...]) -> Mapping[str, Any]:
    """Return the served storage version, else the first served one, else the first."""
    served = [v for v in versions if v.get("served") is True]
    stored = [v for v in served if v.get("storage") is True]
    return next(iter([*stored, *served, *versions]), {})


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    return (v for v in value if isinstance(v, Mapping)) if isinstance(value, list) else iter(())


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    return tuple(v for v in items if isinstance(v, str) and v)


def _whole_number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
