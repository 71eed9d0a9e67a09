"""kill -9, SIGTERM, an API server that is away, other writers, missing kinds and permissions."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capscan.scan.engine import AHEAD_MAX
from tests.kubectl import KubectlError
from tests.operator.api import Refused
from tests.operator.cluster import Cluster, Json, asked, condition, settled, until
from tests.operator.conftest import account_kubeconfig, install, own_plane
from tests.operator.process import Operator
from tests.proxy import CountingProxy

pytestmark = pytest.mark.slow

COUNTS = ("completed", "unchanged", "failed", "skipped")


def test_after_kill_9_with_failures_behind_it_it_goes_on_where_it_was(
    cluster: Cluster, operator: Operator
) -> None:
    cluster.create_crds(80)
    operator.start(latency=0.3, fail="*thing0[0-5]*")
    scan = cluster.apply_scan(parallelism=6)
    before = cluster.until(scan, lambda s: (s.get("progress") or {}).get("failed", 0) >= 55, "55")
    operator.kill()
    dead = cluster.status(scan)
    lost = len(asked(operator.ledger)) - len(cluster.capabilities())
    watch = cluster.watch(scan)

    operator.start(latency=0.3, fail="*thing0[0-5]*")
    status = cluster.until_phase(scan, "CompletedWithFailures")
    versions = [v["status"]["progress"] for v in watch.stop() if v["status"].get("progress")]

    assert status["run"]["id"] == before["run"]["id"]
    assert status["run"]["resumed"] == 1
    assert status["progress"]["failed"] == 60
    assert status["progress"]["completed"] == 20
    assert status["progress"]["failedByReason"] == {"RequestRejected": 60}
    assert len(status["failedItems"]) == 50
    assert status["failedItemsOmitted"] == 10
    floor = dead["progress"]
    for progress in versions:
        assert all(progress[count] >= floor[count] for count in COUNTS)
        floor = progress
    # Only what was in flight at the kill, or on its way to the store, may have been asked twice.
    assert lost <= 6 + AHEAD_MAX
    assert len(asked(operator.ledger)) <= 80 + lost
    assert len(set(asked(operator.ledger))) == 80


def test_sigterm_lets_items_finish_and_writes_the_last_status(
    cluster: Cluster, operator: Operator
) -> None:
    cluster.create_crds(20)
    operator.start(latency=1.0)
    scan = cluster.apply_scan(parallelism=5, progressInterval="10m")
    until(lambda: asked(operator.ledger), lambda a: len(a) > 5, "a second round")

    assert operator.stop() == 0

    status = cluster.status(scan)
    count = len(asked(operator.ledger))
    assert status["progress"]["completed"] == count < 20
    assert status["progress"]["inFlight"] == 0
    assert status["phase"] == "Scanning"

    operator.start()
    status = cluster.until_phase(scan, "Completed")
    assert status["progress"]["completed"] == 20
    assert len(asked(operator.ledger)) == 20


def test_a_scan_can_be_deleted_while_no_operator_runs(cluster: Cluster) -> None:
    scan = cluster.apply_scan()

    cluster.kubectl("delete", "capscan", scan, "--timeout=3s")

    with pytest.raises(Refused, match="404"):
        cluster.scan(scan)


def test_a_status_removed_by_hand_is_written_again(cluster: Cluster, operator: Operator) -> None:
    cluster.create_crds(20)
    operator.start(latency=0.4)
    scan = cluster.apply_scan(parallelism=4)
    before = cluster.until_settled(scan, 4)
    remove = ("patch", "capscan", scan, "--subresource=status", "--type=json", "-p")

    cluster.kubectl(*remove, '[{"op":"remove","path":"/status"}]')
    busy = cluster.until(scan, lambda s: s.get("phase") == "Scanning", "status again")
    done = cluster.until_phase(scan, "Completed")
    cluster.kubectl(*remove, '[{"op":"remove","path":"/status"}]')
    rest = cluster.until_phase(scan, "Completed")

    assert settled(busy) >= settled(before)
    assert done["run"]["id"] == before["run"]["id"]
    assert rest == done
    assert len(asked(operator.ledger)) == 20


def test_a_crd_deleted_before_its_turn_is_skipped(cluster: Cluster, operator: Operator) -> None:
    names = cluster.create_crds(12)
    operator.start(latency=0.5)
    scan = cluster.apply_scan(parallelism=1)
    until(lambda: asked(operator.ledger), bool, "the first request")

    cluster.kubectl("delete", "crd", names[-1])
    status = cluster.until_phase(scan, "Completed")

    assert status["progress"]["skipped"] == 1
    assert status["progress"]["completed"] == 11
    assert status["progress"]["summary"] == "12/12"


@pytest.mark.usefixtures("installed_again")
def test_a_missing_permission_is_named_and_heals(cluster: Cluster, operator: Operator) -> None:
    cluster.create_crds(2)
    operator.start()
    role = json.loads(cluster.kubectl("get", "clusterrole", "capscan", "-o", "json"))
    less = [rule for rule in role["rules"] if rule["apiGroups"] != ["apiextensions.k8s.io"]]
    _set_rules(cluster, less)
    scan = cluster.apply_scan()

    stalled = cluster.until(
        scan, lambda s: any(c["reason"] == "MissingPermission" for c in s["conditions"]), "a stall"
    )
    shown = cluster.kubectl("get", "capscan", scan, "-o", "wide").splitlines()
    _set_rules(cluster, role["rules"])
    status = cluster.until_phase(scan, "Completed")

    assert shown[1][shown[0].index("MESSAGE") :].startswith("The operator may not list CustomRes")
    assert condition(stalled, "Stalled")["status"] == "True"
    assert condition(stalled, "Reconciling")["status"] == "False"
    assert "customresourcedefinitions" in condition(stalled, "Stalled")["message"]
    assert stalled["phase"] == "Pending"
    assert status["run"]["id"] == stalled["run"]["id"]
    assert condition(status, "Stalled")["status"] == "False"


@pytest.mark.parametrize("resource", ["customresourcedefinitions", "capabilityscans"])
def test_the_right_to_watch_is_missed_in_the_status_and_heals(
    resource: str, cluster: Cluster, operator: Operator
) -> None:
    """Taken away before the operator starts. What it may list it sees all the same, only later."""
    cluster.create_crds(2)
    with _without_watch(cluster, resource):
        operator.start()
        scan = cluster.apply_scan(follow=True)
        stalled = cluster.until(scan, _is_stalled_at_rest, "a stall at rest")
    healed = cluster.until(
        scan, lambda s: condition(s, "Stalled")["status"] == "False", "a healed scan"
    )
    cluster.create_crds(1, prefix="added")
    cluster.until(scan, lambda s: s["progress"]["summary"] == "3/3", "a run that follows")

    assert condition(stalled, "Stalled")["reason"] == "MissingPermission"
    assert f"resources [{resource}]" in stalled["message"]
    assert "may not watch" in stalled["message"]
    assert condition(stalled, "Ready")["status"] == "True"
    assert healed["message"] == condition(healed, "Ready")["message"] == "2 CRDs: 2 analysed."


def test_the_right_to_watch_may_be_taken_away_while_it_watches(
    cluster: Cluster, operator: Operator, tmp_path: Path
) -> None:
    """Noticed when the watch has to be begun again."""
    cluster.create_crds(2)
    with CountingProxy(operator.kubeconfig) as proxy:
        operator.kubeconfig = proxy.write_kubeconfig(tmp_path / "proxied.kubeconfig")
        operator.start()
        scan = cluster.apply_scan()
        cluster.until_phase(scan, "Completed")
    with (
        _without_watch(cluster, "capabilityscans"),
        CountingProxy(proxy.kubeconfig, port=proxy.port),
    ):
        cluster.until(scan, _is_stalled_at_rest, "a stall at rest", timeout_s=60)
        cluster.patch(scan, {"rescan": "1"})
        status = cluster.until(
            scan, lambda s: s["run"]["trigger"] == "Rescan", "a run all the same"
        )

        assert status["lastHandledRescan"] == "1"
        operator.stop()


def _is_stalled_at_rest(status: Json) -> bool:
    return (status["phase"], condition(status, "Stalled")["status"]) == ("Completed", "True")


@contextmanager
def _without_watch(cluster: Cluster, resource: str) -> Iterator[None]:
    """The operator's account may do everything but watch this."""
    role = json.loads(cluster.kubectl("get", "clusterrole", "capscan", "-o", "json"))
    less = [
        rule | {"verbs": [verb for verb in rule["verbs"] if verb != "watch"]}
        if resource in rule["resources"]
        else rule
        for rule in role["rules"]
    ]
    _set_rules(cluster, less)
    try:
        yield
    finally:
        _set_rules(cluster, role["rules"])


def _set_rules(cluster: Cluster, rules: list[object]) -> None:
    patch = json.dumps({"rules": rules})
    cluster.kubectl("patch", "clusterrole", "capscan", "--type=merge", "-p", patch)


@pytest.mark.usefixtures("installed_again")
def test_it_waits_for_its_own_kinds_and_goes_on_when_they_come(
    cluster: Cluster, operator: Operator
) -> None:
    kinds = ("capabilityscans.capscan.dev", "capabilities.capscan.dev")
    cluster.create_crds(3)
    cluster.kubectl("delete", "crd", *kinds)
    operator.start()
    operator.until_logged("capabilityscans are not installed; waiting for: kubectl apply -k crds/")

    install(cluster.kubectl)
    scan = cluster.apply_scan()
    cluster.until_phase(scan, "Completed")

    cluster.kubectl("delete", "crd", *kinds)
    until(lambda: operator.log.count("are not installed"), lambda n: n == 2, "a second wait")
    install(cluster.kubectl)
    again = cluster.apply_scan()
    status = cluster.until_phase(again, "Completed")

    assert status["progress"]["completed"] == 3
    assert len(cluster.capabilities()) == 3


@pytest.mark.usefixtures("programs")
def test_an_api_server_that_goes_away_in_mid_run_ends_nothing(tmp_path: Path) -> None:
    """Killed, and back a while later, on a control plane of this test's own."""
    with own_plane(tmp_path) as (plane, kubectl):
        operator = Operator(account_kubeconfig(kubectl, tmp_path), tmp_path)
        operator.start(latency=0.4)
        try:
            with Cluster(kubectl, "outage.example.com") as cluster:
                cluster.create_crds(30)
                scan = cluster.apply_scan(parallelism=3)
                before = cluster.until_settled(scan, 3)
                plane.stop_api_server(by_force=True)
                operator.until_logged("The API server is not answering")
                plane.start_api_server()
                status = cluster.until_phase(scan, "Completed", timeout_s=60)
        finally:
            operator.close()
        assert status["run"]["id"] == before["run"]["id"]
        assert status["progress"]["completed"] == 30
        assert len(asked(operator.ledger)) == 30


def test_two_operators_at_rest_leave_the_status_alone(
    cluster: Cluster, operator: Operator, tmp_path: Path
) -> None:
    """One too many is a mistake, but not one that writes for ever."""
    cluster.create_crds(3)
    (tmp_path / "second").mkdir()
    second = Operator(operator.kubeconfig, tmp_path / "second")
    operator.start(latency=1.0)
    second.start(latency=1.0)
    try:
        for one in (operator, second):
            one.until_logged("watching capabilityscans")
        scan = cluster.apply_scan()
        cluster.until_phase(scan, "Completed")
        until(lambda: operator.log + second.log, lambda log: "another operator" in log, "a word")
        for one in (operator, second):
            one.until_logged("is Completed after")
        time.sleep(2)  # for the last word of the one that yields
        version = cluster.scan(scan)["metadata"]["resourceVersion"]
        time.sleep(3)  # nothing is to happen
        assert cluster.scan(scan)["metadata"]["resourceVersion"] == version
    finally:
        second.close()


def test_a_capability_that_admission_denies_is_one_failed_item(
    cluster: Cluster, operator: Operator
) -> None:
    """No permission would help, and the others have nothing to do with it."""
    names = cluster.create_crds(4)
    rule = {"apiGroups": ["capscan.dev"], "apiVersions": ["*"], "resources": ["capabilities"]}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-first"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule | {"operations": ["CREATE", "UPDATE"]}]},
            "validations": [
                {"expression": f"object.metadata.name != '{names[0]}'", "reason": "Forbidden"}
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-first"},
        "spec": {"policyName": "no-first", "validationActions": ["Deny"]},
    }
    cluster.apply(policy, binding)
    try:
        until(lambda: _denied(cluster, names[0]), bool, "a policy that is enforced")
        operator.start()
        scan = cluster.apply_scan()
        status = cluster.until_phase(scan, "CompletedWithFailures")
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            cluster.kubectl("delete", kind, "no-first")

    (item,) = status["failedItems"]
    assert (item["name"], item["reason"]) == (names[0], "StoreRejected")
    assert "denied request" in item["message"]
    assert len(asked(operator.ledger)) == 4


def _denied(cluster: Cluster, name: str) -> bool:
    body = {"apiVersion": "capscan.dev/v1alpha1", "kind": "Capability", "metadata": {"name": name}}
    try:
        cluster.kubectl(
            *("create", "--dry-run=server", "--validate=false", "-f", "-"), input=json.dumps(body)
        )
    except KubectlError as error:
        return "denied request" in str(error)
    return False
