"""Finds the cluster as kubectl does: in a kubeconfig, or in the pod that this process runs in."""

import os
from dataclasses import dataclass
from pathlib import Path

from capscan.core.kube_errors import NoCluster
from capscan.kube import kubeconfig
from capscan.kube.credentials import Credentials, of_kubeconfig, of_pod

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_HOME = "~/.kube/config"


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Which cluster to talk to; where nothing is set, the one that kubectl would take."""

    kubeconfig: str | None = None
    """One file. Where it is not set, KUBECONFIG may name several."""
    context: str | None = None


async def load_credentials(settings: ClusterSettings) -> Credentials:
    """Read the configuration anew, and run its exec plugin. Raises NoCluster, with what to do."""
    if _in_pod(settings):
        try:
            return of_pod(os.environ, SERVICE_ACCOUNT)
        except NoCluster as error:
            raise NoCluster(f"cannot use the pod's service account: {error}") from error
    try:
        paths = _paths(settings)
        if not any(path.expanduser().is_file() for path in paths):
            raise NoCluster(f"no such file: {os.pathsep.join(map(str, paths))}")
        chosen = kubeconfig.choose(kubeconfig.read(paths), settings.context)
        return await of_kubeconfig(chosen, os.environ)
    except NoCluster as error:
        raise NoCluster(
            f"no cluster to talk to: {error}. Set KUBECONFIG or pass --kubeconfig; for a local "
            'control plane: capscan local up && eval "$(capscan local env)"'
        ) from error


def _in_pod(settings: ClusterSettings) -> bool:
    """Whether the pod's account is used: where no kubeconfig is chosen, or none of those that
    KUBECONFIG names is there.
    """
    if settings.kubeconfig or settings.context or not os.environ.get("KUBERNETES_SERVICE_HOST"):
        return False
    named = os.environ.get("KUBECONFIG")
    return not named or not any(path.is_file() for path in _paths(settings))


def _paths(settings: ClusterSettings) -> list[Path]:
    """Return the files in the order of their weight, each once."""
    if settings.kubeconfig:
        return [Path(settings.kubeconfig)]
    named = (os.environ.get("KUBECONFIG") or _HOME).split(os.pathsep)
    return [Path(path) for path in dict.fromkeys(named) if path]
