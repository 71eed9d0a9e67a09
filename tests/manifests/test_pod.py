"""The Pod that the Deployment makes: its security, its settings and its probes."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from capscan.settings import Settings
from tests.kubectl import Kubectl
from tests.manifests.asking import ROOT, refusal
from tests.manifests.rendering import one

DRY_RUN = ("create", "--dry-run=server", "-o", "json", "-f", "-")


def pod(kubectl: Kubectl) -> dict[str, Any]:
    """Return the Pod that the Deployment would make."""
    template = one(kubectl, "Deployment")["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "capscan", "namespace": "capscan-system", **template["metadata"]},
        "spec": template["spec"],
    }


def settings(kubectl: Kubectl, folder: Path) -> Settings:
    """Return what the operator makes of its arguments and the files that the Pod mounts."""
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


def test_the_pod_is_admitted_where_the_restricted_standard_is_enforced(installed: Kubectl) -> None:
    """The namespace enforces the standard, so the API server itself decides."""
    admitted = json.loads(installed(*DRY_RUN, input=yaml.safe_dump(pod(installed))))

    assert admitted["spec"]["serviceAccountName"] == "capscan"


def test_a_pod_without_a_security_context_is_refused(installed: Kubectl) -> None:
    """The namespace does enforce the standard."""
    careless = pod(installed)
    del careless["spec"]["containers"][0]["securityContext"]

    assert "violates PodSecurity" in refusal(installed, *DRY_RUN, manifest=careless)


def test_the_container_writes_nothing_to_its_disk_and_stays_in_its_memory(
    kubectl: Kubectl,
) -> None:
    """No Pod Security Standard asks for either."""
    (container,) = pod(kubectl)["spec"]["containers"]

    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"]["memory"] == "320Mi"


def test_the_operator_understands_the_settings_it_is_given(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    """It logs for machines, and stops before the kubelet ends it."""
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
    """They name the port, and the operator serves it."""
    (container,) = pod(kubectl)["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert settings(kubectl, tmp_path).probe_port == ports["probes"]

    asked = [container[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")]

    assert [(get["path"], ports[get["port"]]) for get in asked] == [
        ("/livez", 8080),
        ("/readyz", 8080),
    ]


def test_a_rollout_never_runs_two_operators_at_once(kubectl: Kubectl) -> None:
    """A rolling update would run two for a while."""
    spec = one(kubectl, "Deployment")["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
