"""What capscan reads: CustomResourceDefinitions, and the metadata that planning needs.

Listings are metadata only (`CrdRef`, `StoredRef`); the full text of a CRD (`Crd`) is read when
its turn comes and dropped once it is digested. `CrdIdentity` is what stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CrdRef:
    """One CRD in a metadata-only listing. `generation` grows when its spec changes."""

    name: str
    uid: str
    generation: int
    labels: Mapping[str, str] = field(default_factory=dict)
    terminating: bool = False
    """It is being deleted, and never comes back from that."""


@dataclass(frozen=True, slots=True)
class StoredRef:
    """One Capability in a metadata-only listing: what its annotations say of its freshness."""

    name: str
    uid: str
    crd_uid: str | None = None
    """UID of the owning CRD; None where there is none, as after a restore of a backup."""
    plan_key: str | None = None
    run_id: str | None = None
    """The run that wrote the stored analysis."""
    failed_run: str | None = None
    failed_reason: str | None = None
    edited: bool = False
    """Somebody else owns a field that capscan writes, so the object no longer says what was
    answered."""
    others_own: bool = False
    """It is not capscan's to delete: it has an owner that is no CRD, or is being deleted already,
    which a finalizer of somebody else may hold up."""


@dataclass(frozen=True, slots=True)
class CrdNames:
    """What a CRD is called, in all the ways that users see."""

    name: str
    group: str
    kind: str
    plural: str
    singular: str
    scope: str
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    version: str
    """The served version that a user would write today: the storage version if it is served, else
    the first served one, else the first; empty where the CRD lists none."""
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CrdIdentity(CrdNames):
    """Which CRD was read, and at which generation: all that is kept of it beside its digest."""

    uid: str
    generation: int


@dataclass(frozen=True, slots=True)
class Crd(CrdIdentity):
    """A CustomResourceDefinition, parsed at the door."""

    served: bool
    deprecated: bool
    schema: Mapping[str, Any]
    """The OpenAPI v3 schema of `version` as plain JSON; empty where there is none."""
