"""What the marks on a Capability are worth: those of capscan, of a backup, and of strangers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from capscan.model import StoredRef
from capscan.model.capability import FAILED_REASON, FAILED_RUN, PLAN_KEY, RUN_ID
from capscan.store.capabilities import CapabilityStore
from tests.kube.apiserver import ok, serving

pytestmark = pytest.mark.anyio

MARKS = {PLAN_KEY: "key", RUN_ID: "r1", FAILED_RUN: "r2", FAILED_REASON: "Timeout"}
NO_FIELDS: Mapping[str, Any] = {}
ANALYSIS: Mapping[str, Any] = {"f:analysis": {"f:description": {}}}
OWNER = {"kind": "CustomResourceDefinition", "name": "a", "uid": "u"}


def entry(
    manager: str, *marks: str, fields: Mapping[str, Any] = NO_FIELDS, operation: str = "Apply"
) -> dict[str, Any]:
    """What the API server remembers of a manager."""
    notes: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{mark}": {} for mark in marks}}}
    return {
        "manager": manager,
        "operation": operation,
        "time": "2026-01-01T00:00:00Z",
        "fieldsV1": notes | dict(fields),
    }


OURS = entry("capscan", *MARKS, fields=ANALYSIS)


async def read(
    folder: Path, managed: list[dict[str, Any]], marks: dict[str, str], **metadata: Any
) -> StoredRef:
    body = {"name": "a", "uid": "1", "annotations": marks, "managedFields": managed} | metadata
    async with serving(folder) as (server, client):
        server.script = [ok({"metadata": {}, "items": [{"metadata": body}]})]
        (found,) = await CapabilityStore(client).list_refs()
    return found


async def test_what_capscan_wrote_is_believed(tmp_path: Path) -> None:
    found = await read(tmp_path, [OURS], MARKS, ownerReferences=[OWNER])

    assert found == StoredRef("a", "1", "u", "key", "r1", "r2", "Timeout")


@pytest.mark.parametrize("mark", MARKS)
async def test_a_mark_that_somebody_else_has_written_is_not_believed(
    tmp_path: Path, mark: str
) -> None:
    """The API server takes the field from capscan; no question is skipped for a mark of theirs."""
    others = entry("kubectl-annotate", mark, operation="Update")
    managed = [entry("capscan", *(MARKS.keys() - {mark}), fields=ANALYSIS), others]
    found = await read(tmp_path, managed, MARKS)

    believed = [found.plan_key, found.run_id, found.failed_run, found.failed_reason]
    assert believed == [value if key != mark else None for key, value in MARKS.items()]


@pytest.mark.parametrize(
    "forged", ["", "no reason", "A" * 65, "<script>", "Timeout\n", "x" * 250_000, "é"]
)
async def test_a_reason_that_is_no_word_is_not_shown(tmp_path: Path, forged: str) -> None:
    found = await read(tmp_path, [OURS], MARKS | {FAILED_REASON: forged})

    assert found.failed_reason is None
    assert found.failed_run == "r2"


@pytest.mark.parametrize(
    "managed", [[], [entry("velero-server", *MARKS, operation="Update", fields=ANALYSIS)]]
)
async def test_a_capability_from_a_backup_decides_nothing_and_may_be_adopted(
    tmp_path: Path, managed: list[dict[str, Any]]
) -> None:
    """It is looked at again, and not asked about where its fingerprint is the same."""
    found = await read(tmp_path, managed, MARKS)

    assert found == StoredRef("a", "1", run_id="r1")


async def test_an_edit_after_a_restore_is_an_edit(tmp_path: Path) -> None:
    managed = [
        entry("velero-server", *MARKS, operation="Update", fields=ANALYSIS),
        entry("kubectl-edit", operation="Update", fields=ANALYSIS),
    ]

    assert (await read(tmp_path, managed, MARKS)).edited


async def test_an_object_of_somebody_else_is_not_adopted(tmp_path: Path) -> None:
    found = await read(tmp_path, [entry("jo", operation="Update", fields=ANALYSIS)], {})

    assert found.edited
    assert found.run_id is None


async def test_an_object_that_is_being_deleted_is_not_deleted_again(tmp_path: Path) -> None:
    """A finalizer of somebody else may hold it for long."""
    found = await read(tmp_path, [OURS], MARKS, deletionTimestamp="2026-01-01T00:00:00Z")

    assert found.others_own


async def test_an_owner_that_is_no_crd_keeps_the_object(tmp_path: Path) -> None:
    other = {"kind": "ConfigMap", "name": "c", "uid": "2"}
    found = await read(tmp_path, [OURS], MARKS, ownerReferences=[other, OWNER])

    assert found.others_own
    assert found.crd_uid == "u"
