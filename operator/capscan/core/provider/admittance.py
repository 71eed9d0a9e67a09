"""Decides which scans may ask an InferenceProvider, by its spec.allowedScans."""

from capscan.core.errors import ProviderUnusable
from capscan.core.globs import any_of
from capscan.model import ObjectMeta
from capscan.model.allowed_scans import AllowedScans

NAMED_MAX = 5
"""So many globs are named in a message."""


def admits(allowed: AllowedScans | None, scan: ObjectMeta) -> bool:
    """Whether that scan may ask."""
    if allowed is None:
        return True
    named = any_of(allowed.names).fullmatch(scan.name) is not None
    return named and allowed.match_labels.items() <= scan.labels.items()


def not_admitted(provider: str, allowed: AllowedScans, scan: ObjectMeta) -> ProviderUnusable:
    """Return the error that says which scans may, and what to write."""
    more = ", ..." if len(allowed.names) > NAMED_MAX else ""
    names = ", ".join(allowed.names[:NAMED_MAX]) + more
    labels = ", ".join(f"{key}={value}" for key, value in allowed.match_labels.items())
    carrying = f" and labelled {labels}" if labels else ""
    return ProviderUnusable(
        "ScanNotAllowed",
        f"The InferenceProvider {provider} may be asked by scans named {names}{carrying} "
        f"(its spec.allowedScans), and {scan.name} is none of them. Name another one in "
        "spec.providerRef, or have an administrator allow this scan there.",
    )
