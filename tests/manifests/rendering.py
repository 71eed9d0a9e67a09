"""What `kubectl kustomize manifests/` renders."""

from typing import Any

import yaml

from tests.kubectl import Kubectl
from tests.manifests.asking import ROOT

BASE = str(ROOT / "manifests")


def rendered(kubectl: Kubectl) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(kubectl("kustomize", BASE)))


def one(kubectl: Kubectl, kind: str) -> dict[str, Any]:
    (found,) = (document for document in rendered(kubectl) if document["kind"] == kind)
    return found
