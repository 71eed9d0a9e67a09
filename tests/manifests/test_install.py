"""manifests/: installed in one go, and allowed what it needs and nothing else."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from capscan.settings import Settings
from tests.manifests.kubectl import ROOT, Kubectl, established, refusal

BASE = str(ROOT / "manifests")
ACCOUNT = "system:serviceaccount:capscan-system:capscan"

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


def rendered(kubectl: Kubectl) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(kubectl("kustomize", BASE)))


def one(kubectl: Kubectl, kind: str) -> dict[str, Any]:
    (found,) = (document for document in rendered(kubectl) if document["kind"] == kind)
    return found


def test_one_apply_installs_everything_and_a_second_changes_nothing(kubectl: Kubectl) -> None:
    """Starting from a cluster that does not know the kinds."""
    kubectl(
        "delete", "crd", "capabilityscans.capscan.dev", "capabilities.capscan.dev",
        "inferenceproviders.capscan.dev", "--ignore-not-found",
    )  # fmt: skip

    kubectl("apply", "-k", BASE)
    established(kubectl)
    again = kubectl("apply", "-k", BASE).splitlines()

    assert len(again) == len(rendered(kubectl))
    assert [line for line in again if not line.endswith(" unchanged")] == []


def test_the_crds_alone_can_be_applied(kubectl: Kubectl) -> None:
    """For whoever runs the operator outside the cluster, as `make demo` does."""
    kubectl("apply", "-k", str(ROOT / "crds"))
    established(kubectl)


def test_the_base_holds_no_custom_resource(kubectl: Kubectl) -> None:
    """One beside its own kind would fail the first apply, and a scan would start by itself."""
    assert {document["kind"] for document in rendered(kubectl)} == {
        "Namespace",
        "CustomResourceDefinition",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "ConfigMap",
        "Deployment",
    }


def test_every_object_is_labelled_as_capscans(kubectl: Kubectl) -> None:
    """`kubectl get all,crd,clusterrole -l app.kubernetes.io/name=capscan` finds them."""
    unlabelled = [
        document["metadata"]["name"]
        for document in rendered(kubectl)
        if document["metadata"].get("labels", {}).get("app.kubernetes.io/name") != "capscan"
    ]

    assert unlabelled == []


def test_the_account_may_do_exactly_what_the_operator_does(installed: Kubectl) -> None:
    """The answers that `kubectl auth can-i` gives, for every verb on everything named above."""
    assert allowed(installed, ACCOUNT, RESOURCES) == ALLOWED


def test_the_account_writes_events_where_those_of_its_objects_belong(installed: Kubectl) -> None:
    """And in no other namespace."""
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
def test_the_roles_that_every_cluster_has_hold_those_for_people(
    installed: Kubectl, role: str, writes: set[str]
) -> None:
    """No controller runs here that would put them together: who has the parts of a role is bound
    to them instead.
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


def allowed(
    kubectl: Kubectl, user: str, resources: set[tuple[str, str]], namespace: str = ""
) -> set[tuple[str, str, str]]:
    """What `kubectl auth can-i` says yes to, of all verbs on these."""
    asked = [(group, name, verb) for group, name in sorted(resources) for verb in VERBS]
    reviews = [review(user, namespace, *question) for question in asked]
    answers = kubectl(
        "create", "-f", "-", "-o", "jsonpath={.status.allowed} ", input=yaml.safe_dump_all(reviews)
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


def test_the_roles_name_everything_they_allow(kubectl: Kubectl) -> None:
    """A wildcard would take in what later versions of Kubernetes add."""
    kinds = ("ClusterRole", "Role")
    roles = [document for document in rendered(kubectl) if document["kind"] in kinds]
    rules = [rule for role in roles for rule in role["rules"]]

    assert len(roles) == 5
    assert "*" not in {word for rule in rules for words in rule.values() for word in words}


@pytest.fixture
def as_account(installed: Kubectl) -> Iterator[Kubectl]:
    """kubectl as the operator's ServiceAccount."""

    def kubectl(*args: str, input: str | None = None) -> str:  # noqa: A002
        return installed("--as", ACCOUNT, *args, input=input)

    installed("apply", "-f", "-", input=yaml.safe_dump(SCAN))
    yield kubectl
    installed("delete", "capabilityscan", "install-test")


SCAN = {
    "apiVersion": "capscan.dev/v1alpha1",
    "kind": "CapabilityScan",
    "metadata": {"name": "install-test"},
    "spec": {"suspend": True},
}


def test_the_account_can_do_the_operators_work(as_account: Kubectl) -> None:
    """Read a CRD, write its Capability with the CRD as owner, again, and clean up.

    Not its status: `kubectl patch --subresource` reads it first, which the operator does not.
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
    """Status is its own; spec is the user's."""
    patch = json.dumps({"spec": {"suspend": False}})

    said = refusal(as_account, "patch", "capabilityscan/install-test", "--type=merge", "-p", patch)

    assert 'cannot patch resource "capabilityscans"' in said


def pod(kubectl: Kubectl) -> dict[str, Any]:
    """The Pod that the Deployment would make."""
    template = one(kubectl, "Deployment")["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "capscan", "namespace": "capscan-system", **template["metadata"]},
        "spec": template["spec"],
    }


DRY_RUN = ("create", "--dry-run=server", "-o", "json", "-f", "-")


def test_the_pod_is_admitted_where_the_restricted_standard_is_enforced(installed: Kubectl) -> None:
    """The namespace enforces it, so this is the API server's word."""
    admitted = json.loads(installed(*DRY_RUN, input=yaml.safe_dump(pod(installed))))

    assert admitted["spec"]["serviceAccountName"] == "capscan"


def test_a_pod_that_is_less_careful_is_not(installed: Kubectl) -> None:
    """Which shows that the namespace enforces anything."""
    careless = pod(installed)
    del careless["spec"]["containers"][0]["securityContext"]

    assert "violates PodSecurity" in refusal(installed, *DRY_RUN, manifest=careless)


def test_the_container_writes_nothing_to_its_disk_and_stays_in_its_memory(
    kubectl: Kubectl,
) -> None:
    """What no Pod Security Standard asks for."""
    (container,) = pod(kubectl)["spec"]["containers"]

    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"]["memory"] == "256Mi"


def settings(kubectl: Kubectl, folder: Path) -> Settings:
    """What the operator makes of its arguments and the files that the Pod mounts."""
    spec = pod(kubectl)["spec"]
    (container,) = spec["containers"]
    (volume,) = spec["volumes"]
    (mount,) = container["volumeMounts"]
    files = one(kubectl, "ConfigMap")
    assert volume["configMap"]["name"] == files["metadata"]["name"]
    assert volume["name"] == mount["name"]
    for name, text in files["data"].items():
        (folder / name).write_text(text, encoding="utf-8")
    command, config = container["args"]
    assert command == "operator"
    return Settings.load(
        {"config": config.removeprefix("--config=").replace(mount["mountPath"], str(folder))}
    )


def test_the_operator_understands_the_settings_it_is_given(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    """Logs for machines, and time enough to stop before the kubelet ends it."""
    found = settings(kubectl, tmp_path)
    grace_s = pod(kubectl)["spec"]["terminationGracePeriodSeconds"]

    assert found.log_format == "json"
    assert found.drain_seconds + 5 < grace_s


def test_an_edit_of_the_settings_rolls_the_deployment_out(kubectl: Kubectl, tmp_path: Path) -> None:
    """The Pod names a ConfigMap whose name changes with what is in it."""
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    shutil.copytree(ROOT / "crds", tmp_path / "crds")
    with (tmp_path / "manifests" / "config.yaml").open("a", encoding="utf-8") as config:
        config.write("context: other\n")

    def volume(base: Path) -> str:
        documents = yaml.safe_load_all(kubectl("kustomize", str(base)))
        (deployment,) = (d for d in documents if d["kind"] == "Deployment")
        (volume,) = deployment["spec"]["template"]["spec"]["volumes"]
        return str(volume["configMap"]["name"])

    assert volume(tmp_path / "manifests") != volume(ROOT / "manifests")


def test_the_probes_ask_a_port_that_is_there(kubectl: Kubectl, tmp_path: Path) -> None:
    """By its name; and the operator serves it."""
    (container,) = pod(kubectl)["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert settings(kubectl, tmp_path).probe_port == ports["probes"]

    asked = [container[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")]

    assert [(get["path"], ports[get["port"]]) for get in asked] == [
        ("/livez", 8080),
        ("/readyz", 8080),
    ]


def test_never_two_operators_at_once(kubectl: Kubectl) -> None:
    """A rolling update would have two for a while."""
    spec = one(kubectl, "Deployment")["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


SAMPLES = sorted((ROOT / "manifests" / "samples").iterdir())


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
def test_a_sample_is_accepted_and_says_what_it_is_for(installed: Kubectl, sample: Path) -> None:
    """Strict validation on, nothing stored."""
    installed("apply", "--dry-run=server", "-f", str(sample))

    assert sample.read_text(encoding="utf-8").startswith("# ")


def test_the_sample_of_a_provider_lets_the_account_read_its_secret_and_no_other(
    installed: Kubectl,
) -> None:
    """Nor write it, nor list any."""
    sample = ROOT / "manifests" / "samples" / "provider-anthropic.yaml"
    objects = list(yaml.safe_load_all(sample.read_text(encoding="utf-8")))
    rights = yaml.safe_dump_all(one for one in objects if one["kind"].startswith("Role"))
    (ref,) = (
        one["spec"]["apiKeySecretRef"] for one in objects if "protocol" in one.get("spec", {})
    )

    def may(verb: str, secret: str = "", namespace: str = "capscan-system") -> bool:
        body = review(ACCOUNT, namespace, "", "secrets", verb)
        body["spec"]["resourceAttributes"]["name"] = secret
        said = installed("create", "-f", "-", "-o", "json", input=yaml.safe_dump(body))
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


def examples(page: str, heading: str) -> list[dict[str, Any]]:
    """The objects in the YAML blocks under that heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    return [document for block in blocks for document in yaml.safe_load_all(block)]


def test_the_examples_for_gitops_name_the_folder_that_is_there() -> None:
    """No more can be said of them without the tools: the docs say so."""
    found = examples("install.md", "By GitOps")
    flux, _, argo = (example["spec"] for example in found)

    assert [one["kind"] for one in found] == ["Kustomization", "Kustomization", "Application"]
    assert (ROOT / flux["path"]).resolve() == (ROOT / argo["source"]["path"]) == Path(BASE)


MODELS = examples("install.md", "Asking a model")


@pytest.mark.parametrize("example", MODELS, ids=[each["metadata"]["name"] for each in MODELS])
def test_an_example_for_asking_a_model_is_accepted(
    installed: Kubectl, example: dict[str, Any]
) -> None:
    """As a reader pastes it."""
    installed("apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump(example))
