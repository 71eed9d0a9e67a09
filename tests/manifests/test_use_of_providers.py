"""manifests/policies/ on the real API server: who may name which InferenceProvider."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.installation import account_kubeconfig
from tests.kubectl import Kubectl, KubectlError
from tests.manifests.asking import ROOT, refusal, scan
from tests.operator.api import SCANS, Api

POLICIES = str(ROOT / "manifests" / "policies")
WAIT_S = 30.0
USE_CHEAP = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "use-cheap"},
    "rules": [
        {
            "apiGroups": ["capscan.dev"],
            "resources": ["inferenceproviders"],
            "resourceNames": ["cheap"],
            "verbs": ["use"],
        }
    ],
}
"""kubectl create clusterrole knows the usual verbs alone."""


@pytest.fixture(scope="module")
def developer(installed: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """kubectl as a user who may edit scans, and use the InferenceProvider `cheap` alone."""
    installed("apply", "-k", POLICIES)
    installed("create", "serviceaccount", "developer", "-n", "default")
    user = "--serviceaccount=default:developer"
    installed("create", "clusterrolebinding", "developer", "--clusterrole=capscan-edit", user)
    installed("create", "clusterrolebinding", "developer-v", "--clusterrole=capscan-view", user)
    installed("apply", "-f", "-", input=yaml.safe_dump(USE_CHEAP))
    installed("create", "clusterrolebinding", "use-cheap", "--clusterrole=use-cheap", user)
    token = installed("create", "token", "developer", "-n", "default").strip()
    config = yaml.safe_load(installed.kubeconfig.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    kubeconfig: Path = tmp_path_factory.mktemp("developer") / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    kubectl = replace(installed, kubeconfig=kubeconfig)
    _until_enforced(kubectl)
    yield kubectl
    installed("delete", "-k", POLICIES, "--ignore-not-found")
    for kind, name in (
        ("clusterrolebinding", "developer"), ("clusterrolebinding", "developer-v"),
        ("clusterrolebinding", "use-cheap"), ("clusterrole", "use-cheap"),
    ):  # fmt: skip
        installed("delete", kind, name, "--ignore-not-found")
    installed("delete", "serviceaccount", "developer", "-n", "default")


def naming(provider: str, name: str = "policed", **fields: Any) -> dict[str, Any]:
    """Return the manifest of a scan that names that provider."""
    return scan(name, spec={"providerRef": {"name": provider}, "suspend": True, **fields})


def _until_enforced(kubectl: Kubectl) -> None:
    """Wait until the API server has taken up the policy, which takes it some seconds."""
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        with suppress(KubectlError):
            kubectl("create", "--dry-run=server", "-f", "-", input=yaml.safe_dump(naming("dear")))
            time.sleep(0.2)
            continue
        return
    raise TimeoutError("the policy was never enforced")


@pytest.fixture
def policed(installed: Kubectl, developer: Kubectl) -> Iterator[Kubectl]:
    """The developer's kubectl; the scan `policed` is deleted after the test."""
    yield developer
    installed("delete", "capabilityscan", "policed", "--ignore-not-found")


def apply(kubectl: Kubectl, manifest: dict[str, Any]) -> str:
    return kubectl("apply", "--validate=false", "-f", "-", input=yaml.safe_dump(manifest))


def test_a_user_may_name_a_provider_that_they_may_use_or_none(policed: Kubectl) -> None:
    assert "created" in apply(policed, naming("cheap"))
    assert "configured" in apply(policed, naming("cheap", rescan="again"))
    assert "configured" in apply(policed, naming(""))


def test_a_user_may_not_name_another_provider_and_reads_what_to_do(policed: Kubectl) -> None:
    told = refusal(policed, "create", "-f", "-", manifest=naming("dear"))

    assert "you may not use the InferenceProvider dear: name another one" in told
    assert "grant you the verb use on inferenceproviders/dear" in told


def test_a_user_may_not_turn_a_scan_to_another_provider(policed: Kubectl) -> None:
    apply(policed, naming("cheap"))
    turned = json.dumps({"spec": {"providerRef": {"name": "dear"}}})

    told = refusal(policed, "patch", "capabilityscan", "policed", "--type=merge", "-p", turned)
    assert "you may not use the InferenceProvider dear" in told


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"rescan": "again"}},
        {"spec": {"suspend": False}},
        {"metadata": {"annotations": {"capscan.dev/requestedAt": "now"}}},
        {"metadata": {"labels": {"team": "a"}}},
    ],
)
def test_a_user_may_have_no_scan_of_somebody_else_ask_a_provider_for_them(
    installed: Kubectl, policed: Kubectl, change: dict[str, Any]
) -> None:
    """An administrator made it; an edit that starts a run spends as well."""
    apply(installed, naming("dear"))

    told = refusal(
        policed, "patch", "capabilityscan", "policed", "--type=merge", "-p", json.dumps(change)
    )
    assert "you may not use the InferenceProvider dear" in told


def test_an_edit_that_asks_nothing_is_nobody_s_business(
    installed: Kubectl, policed: Kubectl
) -> None:
    """Tools put annotations on what they look after; and everybody may take their scan away."""
    apply(installed, naming("dear"))

    policed("annotate", "capabilityscan", "policed", "example.com/seen=yes")
    policed("patch", "capabilityscan", "policed", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    policed("delete", "capabilityscan", "policed")


@pytest.mark.usefixtures("policed")
def test_the_operator_writes_the_status_of_any_scan(installed: Kubectl, tmp_path: Path) -> None:
    apply(installed, naming("dear"))

    with Api(account_kubeconfig(installed, tmp_path)) as operator:
        operator.patch(f"{SCANS}/policed/status", {"status": {"message": "seen"}})
        assert operator.get(f"{SCANS}/policed")["status"]["message"] == "seen"
