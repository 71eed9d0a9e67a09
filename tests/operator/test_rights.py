"""The operator's account lacks a right, or an admission policy denies one write."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kubectl import KubectlError
from tests.operator.cluster import Cluster, Json, asked, condition
from tests.operator.process import Operator
from tests.operator.waiting import until
from tests.proxy import CountingProxy

pytestmark = pytest.mark.slow


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
def test_the_status_names_a_missing_right_to_watch_until_it_is_there(
    resource: str, cluster: Cluster, operator: Operator
) -> None:
    """It is taken away before the operator starts, which then sees changes later, by listing."""
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
    """The operator notices when it has to begin the watch again."""
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


def test_a_capability_that_admission_denies_is_one_failed_item(
    cluster: Cluster, operator: Operator
) -> None:
    """No permission would help, and the other items are done."""
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


def _is_stalled_at_rest(status: Json) -> bool:
    return (status["phase"], condition(status, "Stalled")["status"]) == ("Completed", "True")


@contextmanager
def _without_watch(cluster: Cluster, resource: str) -> Iterator[None]:
    """Take the right to watch this resource from the operator's account during the block."""
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
