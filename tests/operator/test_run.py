"""A run as a watcher sees it, from the first apply to the last version."""

import itertools
from datetime import datetime
from typing import Any

from tests.operator.cluster import Cluster, Json, asked, condition, settled
from tests.operator.process import Operator

COUNTS = ("completed", "unchanged", "failed", "skipped")


def test_every_crd_gets_a_capability_and_is_asked_about_once(
    cluster: Cluster, operator: Operator
) -> None:
    names = cluster.create_crds(12)
    operator.start()
    scan = cluster.apply_scan()

    status = cluster.until_phase(scan, "Completed")

    assert status["progress"]["summary"] == "12/12"
    assert status["progress"]["completed"] == 12
    assert condition(status, "Complete")["status"] == "True"
    assert condition(status, "Ready")["observedGeneration"] == 1
    assert sorted(asked(operator.ledger)) == names
    capabilities = cluster.capabilities()
    assert sorted(capabilities) == names
    _check_capability(cluster, capabilities[names[0]], scan, status["run"]["id"])


def _check_capability(cluster: Cluster, capability: Json, scan: str, run_id: str) -> None:
    name = capability["metadata"]["name"]
    uid = cluster.kubectl("get", "crd", name, "-o", "jsonpath={.metadata.uid}")
    (owner,) = capability["metadata"]["ownerReferences"]
    assert owner == {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "name": name,
        "uid": uid,
    }
    assert capability["provenance"]["scan"] == scan
    assert capability["provenance"]["runID"] == run_id
    assert capability["provenance"]["crdUID"] == uid
    assert capability["resource"]["group"] == cluster.group


def test_the_scan_itself_is_left_alone(cluster: Cluster, operator: Operator) -> None:
    """It gets no finalizer, no annotation and no spec change: a GitOps tool sees no drift."""
    cluster.create_crds(2)
    operator.start()
    scan = cluster.apply_scan()
    cluster.until_phase(scan, "Completed")

    metadata = cluster.scan(scan)["metadata"]

    assert "finalizers" not in metadata
    assert "annotations" not in metadata
    assert metadata["generation"] == 1


def test_a_watcher_sees_counts_that_add_up_and_never_fall(
    cluster: Cluster, operator: Operator
) -> None:
    cluster.create_crds(40)
    operator.start(latency=0.3, fail="*thing00*")
    scan = cluster.apply_scan(parallelism=5, suspend=True)
    cluster.until_phase(scan, "Suspended")
    watch = cluster.watch(scan)
    cluster.patch(scan, {"suspend": False})
    status = cluster.until_phase(scan, "CompletedWithFailures")
    versions = watch.stop()

    seen = [v["status"]["progress"] for v in versions if v["status"].get("progress")]
    for progress in seen:
        assert sum(progress[c] for c in COUNTS) + progress["inFlight"] <= progress["total"] == 40
    for before, after in itertools.pairwise(seen):
        assert all(before[count] <= after[count] for count in COUNTS)
    assert status["progress"]["failedByReason"] == {"RequestRejected": 10}
    assert len({v["metadata"]["resourceVersion"] for v in versions}) <= _writes_max(status)
    assert any(v["status"].get("eta") for v in versions)
    assert "eta" not in status
    assert "inFlight" not in status


def _writes_max(status: Json, interval_s: float = 0.5) -> float:
    run = status["run"]
    took = _time(run["completionTime"]) - _time(run["startTime"])
    return (took.total_seconds() + 1) / interval_s + 6


def _time(text: Any) -> datetime:
    return datetime.fromisoformat(text)


def test_phases_come_in_order_and_conditions_agree(cluster: Cluster, operator: Operator) -> None:
    cluster.create_crds(6)
    operator.start(latency=0.3)
    scan = cluster.apply_scan(parallelism=2, suspend=True)
    cluster.until_phase(scan, "Suspended")
    watch = cluster.watch(scan)
    cluster.patch(scan, {"suspend": False})
    cluster.until_phase(scan, "Completed")
    statuses = [version["status"] for version in watch.stop()]

    phases = [s["phase"] for s in statuses]
    order = ["Suspended", "Discovering", "Scanning", "Completed"]
    assert phases == sorted(phases, key=order.index)
    # A watch may skip a version that is replaced at once; these two last long enough.
    assert {"Scanning", "Completed"} <= set(phases)
    for status in statuses:
        working = status["phase"] in {"Discovering", "Scanning"}
        assert (condition(status, "Reconciling")["status"] == "True") is working
        assert condition(status, "Stalled")["status"] == "False"
        done = status["phase"] == "Completed"
        assert (condition(status, "Complete")["status"] == "True") is done


def test_a_selector_that_matches_nothing_is_completed(cluster: Cluster, operator: Operator) -> None:
    operator.start()
    scan = cluster.apply_scan(selector={"include": ["nothing.at.all"]})

    status = cluster.until_phase(scan, "Completed")

    listed = len(cluster.kubectl("get", "crds", "-o", "name").split())
    assert status["message"].startswith(f"0 of {listed} CRDs match the selector")
    assert status["progress"]["summary"] == "0/0"


def test_too_many_failures_stop_the_run(cluster: Cluster, operator: Operator) -> None:
    cluster.create_crds(20)
    operator.start(latency=0.1, fail="*")
    scan = cluster.apply_scan(parallelism=1, maxFailedPercent=10)

    status = cluster.until_phase(scan, "Failed")

    assert status["progress"]["failed"] == 3
    assert len(asked(operator.ledger)) == 3
    assert condition(status, "Failed")["status"] == "True"
    assert condition(status, "Stalled")["status"] == "True"
    assert condition(status, "Complete")["status"] == "False"


def test_failures_are_listed_and_asked_again_by_a_rescan(
    cluster: Cluster, operator: Operator
) -> None:
    cluster.create_crds(5)
    operator.start(fail="*thing000*")
    scan = cluster.apply_scan(maxAttempts=3)
    status = cluster.until_phase(scan, "CompletedWithFailures")
    (item,) = status["failedItems"]
    failed = f"thing000s.{cluster.group}"
    assert (item["name"], item["reason"], item["attempts"]) == (failed, "RequestRejected", 1)
    capability = cluster.capability(failed)
    assert capability["lastAttempt"]["reason"] == "RequestRejected"
    assert "analysis" not in capability
    operator.stop()
    operator.ledger.unlink()

    operator.start()
    cluster.patch(scan, {"rescan": "again"})
    status = cluster.until_phase(scan, "Completed")

    assert asked(operator.ledger) == [failed]
    assert (status["progress"]["completed"], status["progress"]["unchanged"]) == (1, 4)
    assert "failedItems" not in status
    capability = cluster.capability(failed)
    assert "lastAttempt" not in capability
    assert "capscan.dev/failed-run" not in capability["metadata"]["annotations"]


def test_two_scans_of_the_same_crds_do_the_work_once(cluster: Cluster, operator: Operator) -> None:
    names = cluster.create_crds(6)
    operator.start()
    first = cluster.apply_scan("first")
    cluster.until_phase(first, "Completed")
    second = cluster.apply_scan("second")

    status = cluster.until_phase(second, "Completed")

    assert status["progress"]["unchanged"] == 6
    assert sorted(asked(operator.ledger)) == names
    assert settled(cluster.status(first)) == 6
