"""The operator's account and the roles for people may do what they need, and nothing else."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml

from tests.kubectl import Kubectl
from tests.manifests.asking import ROOT, refusal
from tests.manifests.rendering import rendered

ACCOUNT = "system:serviceaccount:capscan-system:capscan"
NO_SCHEMA = "--validate=false"
"""kubectl would fetch the schemas of all kinds first, which a server with many CRDs may refuse."""

ALLOWED = {
    ("apiextensions.k8s.io", "customresourcedefinitions", "get"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "list"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "watch"),
    ("capscan.dev", "capabilityscans", "get"),
    ("capscan.dev", "capabilityscans", "list"),
    ("capscan.dev", "capabilityscans", "watch"),
    ("capscan.dev", "capabilityscans/status", "patch"),
    ("capscan.dev", "inferenceproviders", "get"),
    ("capscan.dev", "inferenceproviders", "list"),
    ("capscan.dev", "inferenceproviders", "watch"),
    ("capscan.dev", "inferenceproviders/status", "patch"),
    ("capscan.dev", "capabilities", "get"),
    ("capscan.dev", "capabilities", "list"),
    ("capscan.dev", "capabilities", "create"),
    ("capscan.dev", "capabilities", "patch"),
    ("capscan.dev", "capabilities", "delete"),
}

EVENTS = ("events.k8s.io", "events")

RESOURCES = {(group, resource) for group, resource, _ in ALLOWED} | {
    EVENTS,
    ("", "secrets"),
    ("", "pods"),
    ("", "pods/exec"),
    ("", "configmaps"),
    ("", "serviceaccounts/token"),
    ("", "namespaces"),
    ("", "events"),
    ("apps", "deployments"),
    ("coordination.k8s.io", "leases"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("capscan.dev", "*"),
    ("apiextensions.k8s.io", "*"),
    ("*", "*"),
}

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*")


def test_the_account_may_do_exactly_what_the_operator_does(installed: Kubectl) -> None:
    """`kubectl auth can-i` answers so for every verb on everything named above."""
    assert allowed(installed, ACCOUNT, RESOURCES) == ALLOWED


def test_the_account_writes_events_where_those_of_its_objects_belong(installed: Kubectl) -> None:
    """It may write them in no other namespace."""
    written = {(*EVENTS, verb) for verb in ("create", "patch")}

    assert allowed(installed, ACCOUNT, {EVENTS}, "default") == written
    assert allowed(installed, ACCOUNT, {EVENTS}, "capscan-system") == set()


@pytest.mark.parametrize(
    ("role", "writes"),
    [
        ("view", set()),
        ("edit", {"capabilityscans"}),
        ("admin", {"capabilityscans", "inferenceproviders"}),
    ],
)
def test_the_roles_view_edit_and_admin_of_a_cluster_cover_capscan(
    installed: Kubectl, role: str, writes: set[str]
) -> None:
    """No controller runs here that would aggregate the roles, so the user is bound to the parts of
    one instead.
    """
    kinds = ("capabilityscans", "capabilities", "inferenceproviders")
    parts = ("view", "edit", "admin")[: ("view", "edit", "admin").index(role) + 1]
    for part in parts:
        found = json.loads(installed("get", "clusterrole", f"capscan-{part}", "-o", "json"))
        label = f"rbac.authorization.k8s.io/aggregate-to-{part}"
        assert found["metadata"]["labels"][label] == "true"
        binding = ("clusterrolebinding", f"{role}-{part}-test")
        installed(
            "create", *binding, f"--clusterrole=capscan-{part}", f"--user={role}-test"
        )  # fmt: skip
    try:
        answers = allowed(installed, f"{role}-test", {("capscan.dev", kind) for kind in kinds})
    finally:
        for part in parts:
            installed("delete", "clusterrolebinding", f"{role}-{part}-test")

    assert {kind for _, kind, verb in answers if verb == "watch"} == set(kinds)
    for verb in ("create", "update", "patch", "delete"):
        assert {kind for _, kind, found in answers if found == verb} == writes


def test_the_roles_name_everything_they_allow(kubectl: Kubectl) -> None:
    """A wildcard would also allow what later versions of Kubernetes add."""
    kinds = ("ClusterRole", "Role")
    roles = [document for document in rendered(kubectl) if document["kind"] in kinds]
    rules = [rule for role in roles for rule in role["rules"]]

    assert len(roles) == 5
    assert "*" not in {word for rule in rules for words in rule.values() for word in words}


def test_the_sample_of_a_provider_lets_the_account_read_its_secret_and_no_other(
    installed: Kubectl,
) -> None:
    """The account may neither write it nor list any."""
    sample = ROOT / "manifests" / "samples" / "provider-anthropic.yaml"
    objects = list(yaml.safe_load_all(sample.read_text(encoding="utf-8")))
    rights = yaml.safe_dump_all(one for one in objects if one["kind"].startswith("Role"))
    (ref,) = (
        one["spec"]["apiKeySecretRef"] for one in objects if "protocol" in one.get("spec", {})
    )

    def may(verb: str, secret: str = "", namespace: str = "capscan-system") -> bool:
        body = review(ACCOUNT, namespace, "", "secrets", verb)
        body["spec"]["resourceAttributes"]["name"] = secret
        said = installed("create", "-f", "-", NO_SCHEMA, "-o", "json", input=yaml.safe_dump(body))
        return bool(json.loads(said)["status"]["allowed"])

    assert not may("get", ref["name"])
    installed("apply", "-f", "-", input=rights)
    try:
        assert may("get", ref["name"])
        assert not may("get", "another")
        assert not may("get", ref["name"], "default")
        assert not any(may(verb, ref["name"]) for verb in VERBS if verb != "get")
        assert not may("list")
    finally:
        installed("delete", "-f", "-", input=rights)


def allowed(
    kubectl: Kubectl, user: str, resources: set[tuple[str, str]], namespace: str = ""
) -> set[tuple[str, str, str]]:
    """Return what `kubectl auth can-i` says yes to, of all verbs on these."""
    asked = [(group, name, verb) for group, name in sorted(resources) for verb in VERBS]
    reviews = [review(user, namespace, *question) for question in asked]
    answers = kubectl(
        "create",
        "-f",
        "-",
        NO_SCHEMA,
        "-o",
        "jsonpath={.status.allowed} ",
        input=yaml.safe_dump_all(reviews),
    ).split()
    return {question for question, answer in zip(asked, answers, strict=True) if answer == "true"}


def review(user: str, namespace: str, group: str, resource: str, verb: str) -> dict[str, Any]:
    name, _, subresource = resource.partition("/")
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {
                "namespace": namespace,
                "group": group,
                "resource": name,
                "subresource": subresource,
                "verb": verb,
            },
        },
    }


SCAN = {
    "apiVersion": "capscan.dev/v1alpha1",
    "kind": "CapabilityScan",
    "metadata": {"name": "install-test"},
    "spec": {"suspend": True},
}


@pytest.fixture
def as_account(installed: Kubectl) -> Iterator[Kubectl]:
    """kubectl as the operator's ServiceAccount."""
    installed("apply", "-f", "-", input=yaml.safe_dump(SCAN))
    yield replace(installed, user=ACCOUNT)
    installed("delete", "capabilityscan", "install-test")


def test_the_account_can_do_the_operators_work(as_account: Kubectl) -> None:
    """It may read a CRD, write a Capability that the CRD owns, write it again, and delete it.

    The status is left out: `kubectl patch --subresource` reads it first, which the operator does
    not do.
    """
    crd = json.loads(as_account("get", "crd", "capabilities.capscan.dev", "-o", "json"))
    owner = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "name": crd["metadata"]["name"],
        "uid": crd["metadata"]["uid"],
    }
    capability = {
        "apiVersion": "capscan.dev/v1alpha1",
        "kind": "Capability",
        "metadata": {"name": "install-test.example.com", "ownerReferences": [owner]},
    }
    server_side = ("apply", "--server-side", "--field-manager=capscan", "-f", "-")

    as_account(*server_side, input=yaml.safe_dump(capability))
    as_account(*server_side, input=yaml.safe_dump(capability))
    as_account("delete", "capability", "install-test.example.com")


def test_the_account_cannot_change_what_a_user_asked_for(as_account: Kubectl) -> None:
    """The operator owns the status, the user the spec."""
    patch = json.dumps({"spec": {"suspend": False}})

    said = refusal(as_account, "patch", "capabilityscan/install-test", "--type=merge", "-p", patch)

    assert 'cannot patch resource "capabilityscans"' in said
