"""The bounded extract of a CRD that providers are asked about."""

from dataclasses import dataclass

from capscan.model import Crd

DIGEST_VERSION = 1


@dataclass(frozen=True, slots=True)
class Digest:
    """What is kept of a CRD."""

    name: str
    text: str
    """Canonical rendering: what a model is shown, and what the fingerprint hashes."""


def digest_crd(crd: Crd) -> Digest:
    """Shorten a CRD to a bounded digest that does not depend on key order."""
    return Digest(name=crd.name, text=crd.name)
