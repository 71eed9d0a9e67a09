"""A cluster on which capscan is installed, and the credentials of its account there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from capscan.localplane.console import Console
from capscan.localplane.plane import Plane
from tests.kubectl import Kubectl

ROOT = Path(__file__).parents[1]


def install(kubectl: Kubectl) -> None:
    """Do what a user does on a cluster, and wait until the kinds are served."""
    kubectl("apply", "-k", str(ROOT / "manifests"))
    established(kubectl)


def established(kubectl: Kubectl) -> None:
    """Wait until the API server serves all kinds, for 30 s at most."""
    kubectl(
        *("wait", "--for=condition=Established", "--timeout=30s", "crd"),
        *("capabilityscans.capscan.dev", "capabilities.capscan.dev"),
        "inferenceproviders.capscan.dev",
    )


@contextmanager
def own_plane(folder: Path, console: Console | None = None) -> Iterator[tuple[Plane, Kubectl]]:
    """Start a control plane with capscan installed, and stop it after the block."""
    plane = Plane(folder / "plane", console)
    try:
        info = plane.up()
        kubectl = Kubectl(info.kubectl, info.kubeconfig)
        install(kubectl)
        yield plane, kubectl
    finally:
        plane.down()


def account_kubeconfig(kubectl: Kubectl, folder: Path, account: str = "capscan") -> Path:
    """Write a kubeconfig with the token of a ServiceAccount, the operator's unless another one is
    named; return its path.
    """
    token = kubectl("create", "token", account, "-n", "capscan-system", "--duration=2h").strip()
    config = yaml.safe_load(kubectl.kubeconfig.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / f"{account}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
