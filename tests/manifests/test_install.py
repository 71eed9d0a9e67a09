"""manifests/ and crds/ are installed in one go; the samples and the examples are accepted."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.installation import established
from tests.kubectl import Kubectl
from tests.manifests.asking import ROOT
from tests.manifests.rendering import BASE, rendered


def test_one_apply_installs_everything_and_a_second_changes_nothing(kubectl: Kubectl) -> None:
    """The cluster does not know the kinds at first."""
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
    """Who runs the operator outside the cluster, as `make demo` does, needs no more."""
    kubectl("apply", "-k", str(ROOT / "crds"))
    established(kubectl)


def test_the_base_holds_no_custom_resource(kubectl: Kubectl) -> None:
    """An object beside its kind would fail the first apply, and a scan would start by itself."""
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


def test_every_object_has_the_label_of_capscan(kubectl: Kubectl) -> None:
    """`kubectl get all,crd,clusterrole -l app.kubernetes.io/name=capscan` finds them."""
    unlabelled = [
        document["metadata"]["name"]
        for document in rendered(kubectl)
        if document["metadata"].get("labels", {}).get("app.kubernetes.io/name") != "capscan"
    ]

    assert unlabelled == []


SAMPLES = sorted((ROOT / "manifests" / "samples").iterdir())


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
def test_a_sample_is_accepted_and_says_what_it_is_for(installed: Kubectl, sample: Path) -> None:
    """kubectl validates it strictly, and stores nothing."""
    installed("apply", "--dry-run=server", "-f", str(sample))

    assert sample.read_text(encoding="utf-8").startswith("# ")


def examples(page: str, heading: str) -> list[dict[str, Any]]:
    """Return the objects in the YAML blocks under that heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    return [document for block in blocks for document in yaml.safe_load_all(block)]


def test_the_examples_for_gitops_name_the_folder_that_is_there() -> None:
    """Only their paths can be checked without the tools, as the docs say."""
    found = examples("install.md", "By GitOps")
    flux, _, argo = (example["spec"] for example in found)

    assert [one["kind"] for one in found] == ["Kustomization", "Kustomization", "Application"]
    assert (ROOT / flux["path"]).resolve() == (ROOT / argo["source"]["path"]) == Path(BASE)


MODELS = [
    *examples("install.md", "Asking a model"),
    *examples("providers.md", "Servers that were not run"),
]


@pytest.mark.parametrize("example", MODELS, ids=[each["metadata"]["name"] for each in MODELS])
def test_an_example_for_asking_a_model_is_accepted(
    installed: Kubectl, example: dict[str, Any]
) -> None:
    """A reader can paste it as it stands."""
    installed("apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump(example))
