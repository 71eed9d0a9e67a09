"""The operator on the real control plane, as the ServiceAccount that the manifests give it."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from capscan.localplane.console import Console
from capscan.localplane.plane import Plane
from tests.kubectl import Kubectl
from tests.operator.cluster import Cluster
from tests.operator.process import Operator

ROOT = Path(__file__).parents[2]
_numbers = itertools.count()


def install(kubectl: Kubectl) -> None:
    """What a user does on a cluster; wait until the kinds are served."""
    kubectl("apply", "-k", str(ROOT / "manifests"))
    kubectl(
        *("wait", "--for=condition=Established", "--timeout=30s", "crd"),
        *("capabilityscans.capscan.dev", "capabilities.capscan.dev"),
        "inferenceproviders.capscan.dev",
    )


@contextmanager
def own_plane(folder: Path, console: Console | None = None) -> Iterator[tuple[Plane, Kubectl]]:
    """A control plane of one's own with capscan installed, while the block lasts."""
    plane = Plane(folder / "plane", console)
    try:
        info = plane.up()
        kubectl = Kubectl(info.kubectl, info.kubeconfig)
        install(kubectl)
        yield plane, kubectl
    finally:
        plane.down()


def account_kubeconfig(kubectl: Kubectl, folder: Path) -> Path:
    """A kubeconfig with the real token of the operator's ServiceAccount."""
    token = kubectl("create", "token", "capscan", "-n", "capscan-system", "--duration=2h").strip()
    config = yaml.safe_load(kubectl.kubeconfig.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / "account.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="session")
def installed(kubectl: Kubectl) -> Kubectl:
    """kubectl for a cluster on which capscan is installed."""
    install(kubectl)
    return kubectl


@pytest.fixture
def cluster(installed: Kubectl) -> Iterator[Cluster]:
    """capscan's kinds and RBAC are installed; CRDs and scans are this test's own."""
    with Cluster(installed, f"t{os.getpid()}x{next(_numbers)}.example.com") as cluster:
        yield cluster
        cluster.remove()


@pytest.fixture
def installed_again(installed: Kubectl) -> Iterator[None]:
    """For a test that takes kinds or rights away: they are back after it, however it ended."""
    yield
    install(installed)


@pytest.fixture
def operator(cluster: Cluster, tmp_path: Path) -> Iterator[Operator]:
    """Not started yet; stopped after the test."""
    operator = Operator(account_kubeconfig(cluster.kubectl, tmp_path), tmp_path)
    yield operator
    operator.close()
