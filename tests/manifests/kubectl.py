"""kubectl as these tests use it: the type of the session fixture, and refusals as text."""

import subprocess
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

ROOT = Path(__file__).parents[2]


class Kubectl(Protocol):
    """The session fixture `kubectl`: runs it against the plane, returns what it prints."""

    def __call__(self, *args: str, input: str | None = None) -> str: ...  # noqa: A002


def established(kubectl: Kubectl) -> None:
    """Wait until the API server serves all kinds."""
    kubectl(
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "crd/capabilityscans.capscan.dev",
        "crd/capabilities.capscan.dev",
        "crd/inferenceproviders.capscan.dev",
    )


def refusal(kubectl: Kubectl, *args: str, manifest: dict[str, Any] | None = None) -> str:
    """What kubectl says on refusing `args`; fails where it does as it was told."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        kubectl(*args, input=None if manifest is None else yaml.safe_dump(manifest))
    return str(refused.value.stderr)


def scan(name: str, **fields: Any) -> dict[str, Any]:
    """A CapabilityScan manifest."""
    return {
        "apiVersion": "capscan.dev/v1alpha1",
        "kind": "CapabilityScan",
        "metadata": {"name": name},
        **fields,
    }
