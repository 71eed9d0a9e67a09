"""Capability objects as the store of analyses, and as the checkpoint of runs.

Every write is one server-side apply of the whole object: what is no longer said, such as an old
failure, goes away with it. Fields that other people add (labels, annotations) stay.
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from capscan.core.answer.capability import Entry
from capscan.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    MissingKind,
    MissingPermission,
    NotFound,
    ScanError,
    ServerError,
    StoreRejected,
)
from capscan.kube.client import KubeClient
from capscan.kube.transport import Json
from capscan.model import Capability, StoredRef
from capscan.model.capability import (
    FAILED_REASON,
    FAILED_RUN,
    FIELD_MANAGER,
    PLAN_KEY,
    RUN_ID,
)
from capscan.model.meta import GROUP, VERSION
from capscan.store.labels import labels

PATH = f"/apis/{GROUP}/{VERSION}/capabilities"

CHECKED_NAME = "written.by.capscan"
"""Of no object: what `check` pretends to write."""

_OWN_FIELDS = frozenset(
    f"f:{field.alias}" for field in Capability.model_fields.values() if field.alias
)


class CapabilityStore:
    """The port `scan.ports.Store` over Capability objects."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def list_refs(self) -> list[StoredRef]:
        """Every Capability by metadata alone. Raises MissingKind, MissingPermission."""
        try:
            return await self._client.list_metadata(PATH, _ref)
        except NotFound as error:
            raise _missing_kind() from error
        except Forbidden as error:
            raise _missing_permission("list", error) from error

    async def read(self, name: str) -> Capability | None:
        """One Capability, None where there is none or where it cannot be understood."""
        try:
            return Capability.model_validate(await self._client.get(f"{PATH}/{name}"))
        except (NotFound, ValidationError):
            return None
        except Forbidden as error:
            raise _missing_permission("get", error) from error

    async def check(self) -> None:
        """Whether a write would be let through: nobody is asked what could not be kept.

        What admission says of this one object is no verdict on others: each is told its own.
        """
        with contextlib.suppress(Invalid, Conflict):
            await self._apply(CHECKED_NAME, _frame(CHECKED_NAME), dry_run=True)

    async def write(self, entry: Entry) -> None:
        """Store it whole, creating it where there is none.

        Raises StoreRejected, MissingKind, MissingPermission.
        """
        try:
            await self._apply(entry.ref.name, _body(entry))
        except (Invalid, Conflict, ServerError) as error:
            raise StoreRejected(f"the API server refused the Capability: {error}") from error

    async def _apply(self, name: str, body: Json, *, dry_run: bool = False) -> None:
        try:
            await self._client.apply(f"{PATH}/{name}", body, dry_run=dry_run)
        except NotFound as error:
            raise _missing_kind() from error
        except Forbidden as error:
            raise _missing_permission("create, patch", error) from error

    async def remove(self, stored: StoredRef) -> None:
        """Delete exactly this object. Raises MissingPermission."""
        try:
            await self._client.delete(f"{PATH}/{stored.name}", stored.uid)
        except Forbidden as error:
            raise _missing_permission("delete", error) from error


def _body(entry: Entry) -> Json:
    annotations = {
        PLAN_KEY: entry.plan_key,
        RUN_ID: entry.run_id,
        FAILED_RUN: entry.failed_run,
        FAILED_REASON: entry.failed_reason,
    }
    owner = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "name": entry.ref.name,
        "uid": entry.ref.uid,
    }
    metadata = {
        "labels": labels(entry.capability),
        "annotations": {key: value for key, value in annotations.items() if value},
        "ownerReferences": [owner],
    }
    return _frame(entry.ref.name, **metadata) | entry.capability.to_wire()


def _frame(name: str, **metadata: object) -> Json:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Capability",
        "metadata": {"name": name, **metadata},
    }


def _ref(metadata: Mapping[str, Any]) -> StoredRef:
    notes: Callable[[str], str | None] = (metadata.get("annotations") or {}).get
    owners = metadata.get("ownerReferences") or []
    return StoredRef(
        name=metadata["name"],
        uid=metadata["uid"],
        crd_uid=next((o["uid"] for o in owners if o["kind"] == "CustomResourceDefinition"), None),
        plan_key=notes(PLAN_KEY),
        run_id=notes(RUN_ID),
        failed_run=notes(FAILED_RUN),
        failed_reason=notes(FAILED_REASON),
        edited=_edited(metadata.get("managedFields") or [], analysed=bool(notes(RUN_ID))),
    )


def _edited(managed_fields: list[Mapping[str, Any]], *, analysed: bool) -> bool:
    """Whether somebody else wrote, or took away, what capscan answers for, since it did.

    Older entries mean nothing: who once wrote the same value stays a co-owner for ever, as after
    the restoring of a backup. Times have one second; within it, it counts as an edit.
    """
    ours = next((entry for entry in managed_fields if _is_ours(entry)), None)
    if ours is None:
        return analysed or any(_own_fields(entry) for entry in managed_fields)
    return (analysed and "f:analysis" not in _own_fields(ours)) or any(
        _own_fields(entry) and entry.get("time", "") >= ours.get("time", "")
        for entry in managed_fields
        if entry is not ours
    )


def _is_ours(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"


def _own_fields(entry: Mapping[str, Any]) -> frozenset[str]:
    return _OWN_FIELDS & (entry.get("fieldsV1") or {}).keys()


def _missing_kind() -> ScanError:
    return MissingKind(
        f"The kind Capability ({GROUP}/{VERSION}) is not installed; kubectl apply -k crds/"
    )


def _missing_permission(verbs: str, error: Forbidden) -> ScanError:
    return MissingPermission(
        f"The operator may not {verbs} Capabilities. Add to its ClusterRole: apiGroups [{GROUP}], "
        f"resources [capabilities], verbs [get, list, create, patch, delete]. The API server said: "
        f"{error}"
    )
