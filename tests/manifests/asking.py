"""What the tests of the manifests share: refusals as text, and the manifest of a scan."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubectl import Kubectl

ROOT = Path(__file__).parents[2]


def refusal(kubectl: Kubectl, *args: str, manifest: dict[str, Any] | None = None) -> str:
    """Return what kubectl says when it refuses `args`; fail where it accepts them."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        kubectl(*args, input=None if manifest is None else yaml.safe_dump(manifest))
    return str(refused.value.stderr)


def scan(name: str, **fields: Any) -> dict[str, Any]:
    """Return the manifest of a CapabilityScan."""
    return {
        "apiVersion": "capscan.dev/v1alpha1",
        "kind": "CapabilityScan",
        "metadata": {"name": name},
        **fields,
    }
