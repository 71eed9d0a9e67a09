"""From the bytes of a CRD to what a run needs of it: which one it is, and its digest.

This is the work that strangers can make long: who edits a CRD decides how large it is and what it
says. `workers/` does it beside the event loop, with a limit on its time.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from capscan.core.crd.digest import Digest, bounded_name, digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.core.errors import DigestFailed
from capscan.model import Crd, CrdIdentity

VERSIONS_MAX = 64
"""A CRD with more versions than that is stored without the others."""


@dataclass(frozen=True, slots=True)
class DigestedCrd:
    """All that is kept of a CRD once it was read."""

    crd: CrdIdentity
    digest: Digest
    is_being_deleted: bool = False
    """Whether a deletion of it has begun, which a finalizer may hold up."""


def digest_bytes(raw: bytes) -> DigestedCrd:
    """Parse and digest a CRD as the API server sends it. Raises DigestFailed."""
    try:
        body = json.loads(raw)
        if not isinstance(body, dict):
            raise DigestFailed("what the API server sent for it is no JSON object")
        metadata = body.get("metadata")
        is_being_deleted = isinstance(metadata, dict) and "deletionTimestamp" in metadata
        return replace(digested(parse_crd(body)), is_being_deleted=is_being_deleted)
    except ValueError as error:  # also a number with too many digits
        raise DigestFailed(f"what the API server sent for it cannot be read: {error}") from error
    except RecursionError as error:
        raise DigestFailed("its schema is nested too deeply to be read") from error


def digested(crd: Crd) -> DigestedCrd:
    """Return the digest of a parsed CRD, and its identity with names of a bounded length."""
    identity = CrdIdentity(
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
        uid=bounded_name(crd.uid),
        generation=crd.generation,
    )
    return DigestedCrd(identity, digest_crd(crd))


def _names(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(bounded_name(value) for value in list(values)[:VERSIONS_MAX])
