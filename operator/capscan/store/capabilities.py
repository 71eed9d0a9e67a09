"""Capability objects as the store of analyses, and as the checkpoint of runs.

Every write is one server-side apply of the whole object: what is no longer said, such as an old
failure, goes away with it. Fields that other people add (labels, annotations) stay. What goes into
a Capability is decided in `core/answer/capability.py`.
"""

import contextlib
import logging
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from pydantic import ValidationError

from capscan.core.answer.capability import Entry
from capscan.core.errors import MissingKind, ScanError, StoreRejected
from capscan.core.kube_errors import Conflict, Expired, Forbidden, Invalid, NotFound, ServerError
from capscan.kube.client import KubeClient, items_of
from capscan.kube.permissions import RbacRule
from capscan.kube.transport import Json
from capscan.model import Capability, StoredRef
from capscan.model.capability import FAILED_REASON, FAILED_RUN, FIELD_MANAGER, PLAN_KEY, RUN_ID
from capscan.model.meta import GROUP, VERSION
from capscan.store.labels import labels
from capscan.store.ports import NamedCapability

logger = logging.getLogger(__name__)

PATH = f"/apis/{GROUP}/{VERSION}/capabilities"

PAGE_ITEMS_MAX = 50
"""Capabilities in one page of a listing in full: 8 KiB each, and managedFields beside them."""

CHECKED_NAME = "written.by.capscan"
"""The name that `check` pretends to write under; no CRD is called so."""

_CRD = "CustomResourceDefinition"
_REASON = re.compile("[A-Za-z]{1,64}")
_OWN_FIELDS = frozenset(
    f"f:{field.alias}" for field in Capability.model_fields.values() if field.alias
)


class CapabilityStore:
    """The ports `scan.ports.Store` and `store.ports.Catalogue` over Capability objects."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def list_refs(self) -> list[StoredRef]:
        """Return every Capability by metadata alone. Raises MissingKind, MissingPermission."""
        try:
            return await self._client.list_metadata(PATH, _ref)
        except NotFound as error:
            raise _missing_kind() from error
        except Forbidden as error:
            raise _missing_permission("list", error) from error

    async def list_all(self) -> AsyncGenerator[NamedCapability]:
        """Yield every Capability in full, by name, with at most two pages of 50 in memory.

        All of them are of one moment, that of the first page, unless the reader takes longer over
        the pages than etcd keeps old versions (five minutes, by default). Then the rest is of a
        newer moment, and names that were yielded already are left out of it. So no name comes
        twice. A Capability that cannot be understood is left out, as `read` returns None for it.
        Raises MissingKind, MissingPermission.
        """
        seen: set[str] = set()
        async with aclosing(self._objects()) as objects:
            async for body in objects:
                name = body["metadata"]["name"]
                if name not in seen and (capability := _understood(body)):
                    yield NamedCapability(name, capability)
                seen.add(name)

    async def _objects(self) -> AsyncGenerator[Json]:
        """Yield every object, and all of them once more where a continue token has expired."""
        while True:
            try:
                async with aclosing(self._client.pages(PATH, PAGE_ITEMS_MAX)) as pages:
                    async for page in pages:
                        for body in items_of(page):
                            yield body
            except Expired:
                logger.info("A listing of Capabilities outlived its continue token; starting over.")
            except NotFound as error:
                raise _missing_kind() from error
            except Forbidden as error:
                raise _missing_permission("list", error) from error
            else:
                return

    async def read(self, name: str) -> Capability | None:
        """Return one Capability; None where there is none or where it cannot be understood. Raises
        MissingPermission.
        """
        try:
            return _understood(await self._client.get(f"{PATH}/{name}"))
        except NotFound:
            return None
        except Forbidden as error:
            raise _missing_permission("get", error) from error

    async def check(self) -> None:
        """Raise MissingKind or MissingPermission where a write would: before anybody is asked.

        What admission says of this one object is no verdict on others, so it is ignored here.
        """
        with contextlib.suppress(Invalid, Conflict):
            await self._apply(CHECKED_NAME, _frame(CHECKED_NAME), dry_run=True)

    async def write(self, entry: Entry) -> None:
        """Store the entry whole, and create the object where there is none.

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
        """Delete exactly this object; one that is gone already is no error. Raises
        MissingPermission.
        """
        try:
            await self._client.delete(f"{PATH}/{stored.name}", stored.uid)
        except Forbidden as error:
            raise _missing_permission("delete", error) from error


def _understood(body: Json) -> Capability | None:
    """Return the Capability, or None where this version cannot read it."""
    try:
        return Capability.model_validate(body)
    except ValidationError:
        return None


def _body(entry: Entry) -> Json:
    annotations = {
        PLAN_KEY: entry.plan_key,
        RUN_ID: entry.run_id,
        FAILED_RUN: entry.failed_run,
        FAILED_REASON: entry.failed_reason,
    }
    owner = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": _CRD,
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
    managed = metadata.get("managedFields") or []
    ours = next((entry for entry in managed if _is_ours(entry)), None)
    notes = metadata.get("annotations") or {}
    believed: Callable[[str], str | None] = {key: notes[key] for key in _own_notes(ours, notes)}.get
    owners = [(owner["kind"], owner["uid"]) for owner in metadata.get("ownerReferences") or []]
    # An object without an entry of ours came back from a backup. Its run is of an earlier life and
    # decides nothing, but the analysis is adopted where the question is still the same.
    run_id = believed(RUN_ID) if ours else notes.get(RUN_ID)
    return StoredRef(
        name=metadata["name"],
        uid=metadata["uid"],
        crd_uid=next((uid for kind, uid in owners if kind == _CRD), None),
        plan_key=believed(PLAN_KEY),
        run_id=run_id,
        failed_run=believed(FAILED_RUN),
        failed_reason=_reason(believed(FAILED_REASON)),
        edited=_edited(managed, ours, analysed=bool(run_id)),
        others_own="deletionTimestamp" in metadata or any(kind != _CRD for kind, _ in owners),
    )


def _own_notes(ours: Mapping[str, Any] | None, notes: Mapping[str, str]) -> set[str]:
    """Return the annotations that capscan wrote itself, and that nobody has changed since: the API
    server takes a field from its manager when somebody else changes it.
    """
    fields = ((ours or {}).get("fieldsV1") or {}).get("f:metadata") or {}
    written = fields.get("f:annotations") or {}
    return {key for key in notes if f"f:{key}" in written}


def _reason(text: str | None) -> str | None:
    """Return a reason as capscan writes them, or None: it is counted and shown in a status."""
    return text if text and _REASON.fullmatch(text) else None


def _edited(
    managed_fields: list[Mapping[str, Any]], ours: Mapping[str, Any] | None, *, analysed: bool
) -> bool:
    """Whether somebody else has changed or removed fields of capscan's since capscan wrote them, or
    since one other manager wrote all of them, who restored a backup.

    Older entries mean nothing: whoever once wrote the same value stays a co-owner for ever, as a
    restored backup shows. Times have a resolution of one second; a write of another manager within
    the same second counts as an edit.
    """
    if ours is None:
        return sum(bool(_own_fields(entry)) for entry in managed_fields) > (1 if analysed else 0)
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


def _missing_permission(verb: str, error: Forbidden) -> ScanError:
    rule = RbacRule(GROUP, "capabilities", "get, list, create, patch, delete")
    return rule.missing(error, verb=verb, what="Capabilities")
