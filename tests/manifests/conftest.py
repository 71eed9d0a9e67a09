"""capscan installed on the plane, once for all tests of the installation."""

import pytest

from tests.manifests.kubectl import ROOT, Kubectl, established


@pytest.fixture(scope="session")
def installed(kubectl: Kubectl) -> Kubectl:
    """kubectl, once `kubectl apply -k manifests/` has been run and the kinds are served."""
    kubectl("apply", "-k", str(ROOT / "manifests"))
    established(kubectl)
    return kubectl
