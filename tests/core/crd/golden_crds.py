"""Small CRDs whose digests are recorded in golden/."""

from typing import Any

from tests.builders import crd

_ISSUER_REF = {
    "type": "object",
    "description": "Reference to the issuer. More info: https://example.com/docs",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "description": "Name of the issuer."},
        "kind": {"type": "string", "enum": ["Issuer", "ClusterIssuer"]},
    },
}

_PASSPORT_SPEC = {
    "type": "object",
    "description": "PassportSpec defines the desired state of Passport.",
    "required": ["issuerRef", "holders"],
    "properties": {
        "issuerRef": _ISSUER_REF,
        "holders": {
            "type": "array",
            "description": "Who may travel, e.g. a person.\n\nA second paragraph.",
            "items": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
        "stamps": {"type": "object", "additionalProperties": {"type": "string"}},
        "selector": {
            "type": "object",
            "properties": {
                "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
                "matchExpressions": {"type": "array", "items": {"type": "object"}},
            },
        },
        "validFor": {"x-kubernetes-int-or-string": True, "description": "Years."},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}

_NO_SCHEMA = crd("blanks", versions=["v1", "v1alpha1"], scope="Cluster")
for _version in _NO_SCHEMA["spec"]["versions"]:
    del _version["schema"]

GOLDEN: dict[str, dict[str, Any]] = {
    "plain": crd(),
    "passport": crd(
        "passports",
        group="travel.example.com",
        description="A Passport lets its holder travel.\nIt ends:\n* after ten years\n* when lost",
        schema=_PASSPORT_SPEC,
        versions=["v1", {"name": "v1beta1", "deprecated": True}],
        short_names=["pp"],
        categories=["travel"],
    ),
    "no-schema": _NO_SCHEMA,
    "unserved": crd(versions=[{"name": "v1", "served": False, "deprecated": True}]),
}
