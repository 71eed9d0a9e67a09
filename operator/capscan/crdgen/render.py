"""Renders a kind as the YAML text of its CRD, with the fields in the order of the models."""

from collections.abc import Mapping
from typing import Any

import yaml

from capscan.crdgen.kind import CATEGORY, Kind, Rule
from capscan.crdgen.schema import Schema, structural
from capscan.model.meta import GROUP, VERSION

_HEADER = "# Rendered from operator/capscan/model by `make render`; do not edit.\n"
_WIDTH = 100

_ENVELOPE: Schema = {
    "apiVersion": {"description": f"Always {GROUP}/{VERSION}.", "type": "string"},
    "kind": {"description": "What this object is, in CamelCase.", "type": "string"},
    # The API server describes metadata itself and refuses a description here.
    "metadata": {"type": "object"},
}


def render(kind: Kind) -> str:
    """Return the text of the whole file, header included."""
    return _HEADER + yaml.dump(
        crd(kind), Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True
    )


def crd(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition as plain JSON."""
    version: dict[str, Any] = {"name": VERSION, "served": True, "storage": True}
    if kind.has_status:
        version["subresources"] = {"status": {}}
    version["additionalPrinterColumns"] = [
        {
            "name": column.name,
            "type": column.type,
            "jsonPath": column.path,
            "description": column.description,
        }
        | ({"priority": column.priority} if column.priority else {})
        for column in kind.columns
    ]
    version["schema"] = {"openAPIV3Schema": _schema(kind)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{GROUP}",
            "labels": {"app.kubernetes.io/name": "capscan", "app.kubernetes.io/component": "api"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
                "categories": [CATEGORY],
            },
            "versions": [version],
        },
    }


def _schema(kind: Kind) -> Schema:
    if isinstance(kind.parts, Mapping):
        fields = {name: structural(model) for name, model in kind.parts.items()}
    else:
        fields = structural(kind.parts)["properties"]
    for name, default in (kind.defaults or {}).items():
        # Before `properties`, where a reader looks for it.
        fields[name] = {
            "description": fields[name].pop("description"),
            "type": fields[name].pop("type"),
            "default": dict(default),
        } | fields[name]
    root: Schema = {
        "description": kind.description,
        "type": "object",
        "properties": {**_ENVELOPE, **fields},
    }
    if kind.required:
        root["required"] = list(kind.required)
    for rule in kind.rules:
        _attach(root, rule)
    return root


def _attach(root: Schema, rule: Rule) -> None:
    node = root
    for name in rule.path.replace("[]", ".[]").split(".") if rule.path else ():
        node = node["items"] if name == "[]" else node["properties"][name]
    node.setdefault("x-kubernetes-validations", []).append(
        {"rule": rule.rule, "message": rule.message}
    )


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, and keeps a list of words on one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002
        return True


def _represent_list(dumper: _Dumper, items: list[Any]) -> yaml.SequenceNode:
    words = all(isinstance(item, str) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=words)


_Dumper.add_representer(list, _represent_list)
