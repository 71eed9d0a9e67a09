"""The CRDs on a real API server: defaults, bounds, and what kubectl shows of them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from capscan.crdgen.__main__ import main
from capscan.model import Capability, CapabilityScan, ScanSpec, ScanStatus, Selector
from tests.kubectl import Kubectl
from tests.manifests.asking import ROOT, scan
from tests.manifests.objects import CAPABILITY, FULL_SPEC, FULL_STATUS

FILES = ("capabilityscans.yaml", "capabilities.yaml", "inferenceproviders.yaml")


def apply(kubectl: Kubectl, manifest: dict[str, Any]) -> dict[str, Any]:
    """Apply, and return what the API server made of it."""
    kubectl("apply", "-f", "-", input=yaml.safe_dump(manifest))
    return read(kubectl, manifest["kind"], manifest["metadata"]["name"])


def read(kubectl: Kubectl, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl("get", kind, name, "-o", "json"))
    return found


@pytest.fixture
def capscan(installed: Kubectl) -> Iterator[Kubectl]:
    """kubectl where capscan's kinds are installed; what a test names `crds-test*` is removed."""
    yield installed
    installed("delete", "capabilityscan", "crds-test", "--ignore-not-found")
    installed("delete", "capability", "widgets.crds-test.example", "--ignore-not-found")


def test_rendered_files_are_fresh() -> None:
    """`make render` has been run since the models changed."""

    assert main(["--check", str(ROOT / "crds")]) == 0


def undescribed(node: dict[str, Any], path: str) -> Iterator[str]:
    if "description" not in node:
        yield path
    for name, child in node.get("properties", {}).items():
        yield from undescribed(child, f"{path}.{name}")
    for below in ("items", "additionalProperties"):
        if below in node:
            yield from undescribed(node[below], f"{path}.{below}")


@pytest.mark.parametrize("file", FILES)
def test_every_node_is_described(file: str) -> None:
    """metadata is left out: the API server describes it, and forbids a CRD to do so."""
    crd = yaml.safe_load((ROOT / "crds" / file).read_text(encoding="utf-8"))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    assert list(undescribed(schema, "")) == [".metadata"]


def test_a_scan_of_nothing_but_a_name_gets_the_defaults_of_the_models(capscan: Kubectl) -> None:
    """Its status makes GitOps tools wait before any operator has seen the scan."""
    stored = apply(capscan, scan("crds-test"))

    assert stored["spec"] == ScanSpec().to_wire()
    assert stored["status"] == ScanStatus().to_wire() == {"observedGeneration": -1}


def test_defaults_are_filled_in_beside_what_is_written(capscan: Kubectl) -> None:
    """Nested objects get their defaults too."""
    spec = ScanSpec(selector=Selector(exclude=["*.example.com"]), suspend=True)
    written = {"selector": {"exclude": ["*.example.com"]}, "suspend": True}

    assert apply(capscan, scan("crds-test", spec=written))["spec"] == spec.to_wire()


def test_a_spec_at_its_bounds_comes_back_as_it_was_written(capscan: Kubectl) -> None:
    """The CRD refuses nothing that the model allows."""
    stored = apply(capscan, scan("crds-test", spec=FULL_SPEC.to_wire()))

    assert CapabilityScan.from_wire(stored).spec == FULL_SPEC


def patch_status(kubectl: Kubectl, status: dict[str, Any]) -> None:
    patch = json.dumps({"status": status})
    kubectl(
        "patch", "capabilityscan/crds-test", "--subresource=status", "--type=merge", "-p", patch
    )


def test_a_full_status_comes_back_as_it_was_written(capscan: Kubectl) -> None:
    """No field of the model is unknown to the CRD, and none changes on the way."""
    assert set(FULL_STATUS.to_wire()) == {f.alias for f in ScanStatus.model_fields.values()}
    apply(capscan, scan("crds-test"))

    patch_status(capscan, FULL_STATUS.to_wire())

    stored = read(capscan, "capabilityscan", "crds-test")
    assert stored["status"] == FULL_STATUS.to_wire()
    assert CapabilityScan.from_wire(stored).status == FULL_STATUS


def test_kubectl_get_shows_phase_progress_failures_and_eta(capscan: Kubectl) -> None:
    """Wide columns are shown only where they are asked for."""
    apply(capscan, scan("crds-test"))
    patch_status(capscan, FULL_STATUS.model_copy(update={"message": "done"}).to_wire())

    narrow = capscan("get", "capscan", "crds-test").splitlines()
    wide = capscan("get", "capscan", "crds-test", "-o", "wide").splitlines()

    assert narrow[0].split() == ["NAME", "PHASE", "PROGRESS", "FAILED", "ETA", "AGE"]
    assert narrow[1].split()[:5] == ["crds-test", "CompletedWithFailures", "4/4", "1", "3m20s"]
    assert wide[0].split()[6:] == [
        *("READY", "PROVIDER", "MODEL", "TOKENS", "SPEEDUP", "MESSAGE"),
    ]
    assert wide[1].split()[6:] == ["True", "builtin", "rules-1", "10200", "9.5", "done"]


def capability(content: Capability) -> dict[str, Any]:
    return {
        "apiVersion": "capscan.dev/v1alpha1",
        "kind": "Capability",
        "metadata": {"name": "widgets.crds-test.example"},
        **content.to_wire(),
    }


def test_a_full_capability_comes_back_as_it_was_written(capscan: Kubectl) -> None:
    """kubectl fills its columns from the object."""
    assert set(CAPABILITY.to_wire()) == {f.alias for f in Capability.model_fields.values()}

    stored = apply(capscan, capability(CAPABILITY))

    assert Capability.model_validate(stored) == CAPABILITY
    header, row = capscan(
        "get", "capabilities.capscan.dev", "widgets.crds-test.example"
    ).splitlines()
    assert header.split() == ["NAME", "KIND", "COMPLEXITY", "PROVIDERS", "DESCRIPTION", "AGE"]
    assert "Widget   low          AWS, Postgres   Makes widgets" in row


def test_a_capability_without_an_analysis_keeps_its_last_attempt_alone(capscan: Kubectl) -> None:
    """The API server does not fill in the default lists of an analysis that is missing."""
    failed = Capability(last_attempt=CAPABILITY.last_attempt)

    assert Capability.model_validate(apply(capscan, capability(failed))) == failed


def test_explain_shows_what_a_field_is_for(capscan: Kubectl) -> None:
    """The descriptions of the models reach kubectl."""
    text = " ".join(capscan("explain", "capabilityscan.spec.parallelism").split())

    assert "FIELD: parallelism <integer>" in text
    assert str(ScanSpec.model_fields["parallelism"].description) in text


def test_one_word_lists_every_kind(capscan: Kubectl) -> None:
    """The category differs from the short name, or `kubectl get capscan NAME` would fail."""
    apply(capscan, scan("crds-test"))
    apply(capscan, capability(CAPABILITY))

    names = capscan("get", "capscan-all", "-o", "name").split()

    assert "capabilityscan.capscan.dev/crds-test" in names
    assert "capability.capscan.dev/widgets.crds-test.example" in names
