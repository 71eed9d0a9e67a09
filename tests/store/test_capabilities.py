"""What is particular to Capability objects."""

import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from capscan.core.errors import MissingKind, MissingPermission, ScanError, StoreRejected
from capscan.kube.client import KubeClient
from capscan.model import StoredRef
from capscan.store.capabilities import CapabilityStore
from tests.fakes import crd
from tests.kube.apiserver import ok, refusal, serving
from tests.kubectl import Kubectl
from tests.store.entries import CRD, NAME, answer

pytestmark = pytest.mark.anyio


def body(kubectl: Kubectl) -> dict[str, Any]:
    found = json.loads(kubectl("get", "capabilities.capscan.dev", NAME, "-o", "json"))
    assert isinstance(found, dict)
    return found


async def test_the_crd_owns_its_capability(client: KubeClient, emptied: Kubectl) -> None:
    """So garbage collection deletes both; the CRD does not wait for its Capability."""
    await CapabilityStore(client).write(answer())

    assert body(emptied)["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "name": NAME,
            "uid": CRD.uid,
        }
    ]


async def test_the_object_of_another_user_is_taken_over(
    client: KubeClient, emptied: Kubectl
) -> None:
    """Somebody made a Capability by hand; it has no owner, so nothing deletes it either."""
    made = {
        "apiVersion": "capscan.dev/v1alpha1",
        "kind": "Capability",
        "metadata": {"name": NAME},
        "resource": {
            "group": "x",
            "kind": "y",
            "plural": "z",
            "scope": "Cluster",
            "version": "v1",
            "versions": ["v1"],
        },
    }
    emptied("create", "-f", "-", input=json.dumps(made))
    store = CapabilityStore(client)
    (ref,) = await store.list_refs()
    assert (ref.crd_uid, ref.plan_key, ref.edited) == (None, None, True)
    await store.write(answer())
    (ref,) = await store.list_refs()

    assert (ref.crd_uid, ref.plan_key) == (CRD.uid, "key of r1")
    assert await store.read(NAME) == answer().capability


async def test_an_analysis_that_was_taken_away_is_noticed(
    client: KubeClient, emptied: Kubectl
) -> None:
    store = CapabilityStore(client)
    await store.write(answer())
    emptied("patch", "capabilities.capscan.dev", NAME, "--type=merge", "-p", '{"analysis": null}')
    (ref,) = await store.list_refs()

    assert ref.edited


async def test_one_word_that_was_taken_away_is_noticed(
    client: KubeClient, emptied: Kubectl
) -> None:
    """A list is owned as a whole, so this shows as somebody else's list."""
    store = CapabilityStore(client)
    await store.write(answer())
    emptied(
        "patch",
        "capabilities.capscan.dev",
        NAME,
        "--type=merge",
        "-p",
        '{"analysis": {"capabilities": []}}',
    )
    (ref,) = await store.list_refs()

    assert ref.edited


async def test_an_edit_by_apply_is_noticed(client: KubeClient, emptied: Kubectl) -> None:
    store = CapabilityStore(client)
    await store.write(answer())
    mine = {
        "apiVersion": "capscan.dev/v1alpha1",
        "kind": "Capability",
        "metadata": {"name": NAME},
        "analysis": {**body(emptied)["analysis"], "description": "Mine."},
    }
    emptied("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(mine))
    (ref,) = await store.list_refs()

    assert ref.edited


OURS = {"manager": "capscan", "operation": "Apply"}
THEIRS = {"manager": "kubectl-edit", "operation": "Update"}


@pytest.mark.parametrize(
    ("theirs", "edited"),
    [
        pytest.param({"f:analysis": {}}, True, id="analysis"),
        pytest.param({"f:summary": {}}, True, id="summary"),
        pytest.param({"f:metadata": {}}, False, id="metadata"),
    ],
)
@pytest.mark.parametrize(
    ("time", "since"),
    [("10:00:01Z", True), ("10:00:00Z", True), ("09:59:59Z", False)],
    ids=["later", "in the same second", "earlier"],
)
async def test_only_what_was_edited_since_the_last_answer_counts(
    tmp_path: Path, theirs: dict[str, Any], time: str, *, edited: bool, since: bool
) -> None:
    """Whoever wrote the same value before stays a co-owner for ever, as a restored backup does."""
    managed = [
        {**THEIRS, "time": f"2026-01-01T{time}", "fieldsV1": theirs},
        {**OURS, "time": "2026-01-01T10:00:00Z", "fieldsV1": {"f:analysis": {}}},
    ]
    notes = {"capscan.dev/run-id": "r1"}
    metadata = {"name": NAME, "uid": "c1", "annotations": notes, "managedFields": managed}
    async with serving(tmp_path) as (server, client):
        server.script = [ok({"metadata": {}, "items": [{"metadata": metadata}]})]
        (ref,) = await CapabilityStore(client).list_refs()

    assert ref.edited is (edited and since)


async def test_an_object_that_is_not_understood_reads_as_none(tmp_path: Path) -> None:
    """A newer version of capscan may have written it; its CRD is asked about again."""
    async with serving(tmp_path) as (server, client):
        server.script = [ok({"analysis": {"complexity": "unheard of"}})]

        assert await CapabilityStore(client).read(NAME) is None


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (403, MissingPermission, "apiGroups \\[capscan.dev\\], resources \\[capabilities\\]"),
        (404, MissingKind, "kubectl apply -k crds"),
    ],
)
async def test_what_stops_a_run_says_what_to_do(
    tmp_path: Path, status: int, kind: type[ScanError], said: str
) -> None:
    async with serving(tmp_path) as (server, client):
        store = CapabilityStore(client)
        calls: list[Coroutine[Any, Any, object]] = [store.list_refs(), store.write(answer())]
        if status == 403:
            calls += [store.read(NAME), store.remove(StoredRef(NAME, "c1"))]
        server.script = [refusal(status, name="") for _ in calls]
        for call in calls:
            with pytest.raises(kind, match=said):
                await call


async def test_the_labels_speak_a_fixed_vocabulary(client: KubeClient, emptied: Kubectl) -> None:
    await CapabilityStore(client).write(answer())

    assert body(emptied)["metadata"]["labels"] == {
        "capscan.dev/api-group": "example.com",
        "capscan.dev/complexity": "low",
    }


async def test_an_entry_that_the_schema_refuses_is_rejected(client: KubeClient) -> None:
    """Answers are checked against the same bounds before; the API server is the last to check
    them.
    """
    entry = answer(of=crd("Not_A_Name"))

    with pytest.raises(StoreRejected, match="refused the Capability"):
        await CapabilityStore(client).write(entry)
