"""Reads where the cluster is, and as which user to go there: from a kubeconfig, or from the pod."""

import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration

from capscan.core.errors import NoCluster


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Which cluster to talk to; where nothing is set, the one that kubectl would take."""

    kubeconfig: str | None = None
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What another client needs to reach the same cluster as the same user."""

    server: str
    token: str | None
    ca_path: str | None
    certificate_path: str | None
    private_key_path: str | None
    insecure: bool
    proxy: str | None


_UNUSABLE = (
    kube_config.ConfigException,
    yaml.YAMLError,
    OSError,
    # The client's loader raises these over a file that is YAML, but no kubeconfig.
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
)


async def load_configuration(settings: ClusterSettings) -> Configuration:
    """Read the configuration anew, and run its exec plugin. Raises NoCluster, with what to do."""
    configuration = Configuration()
    configuration.connection_pool_maxsize = 0  # the engine bounds what is in flight
    try:
        if _in_cluster(settings):
            kube_config.load_incluster_config(configuration)
        else:
            await kube_config.load_kube_config(
                config_file=_kubeconfig(settings),
                context=settings.context,
                client_configuration=configuration,
                persist_config=False,
            )
    except _UNUSABLE as error:
        raise NoCluster(_explain(settings, error)) from error
    return configuration


def credentials(configuration: Configuration) -> Credentials:
    """Return the loaded configuration in plain terms."""
    token = configuration.api_key.get("BearerToken")
    return Credentials(
        server=configuration.host,
        token=token.split(None, 1)[-1] if token else None,
        ca_path=configuration.ssl_ca_cert,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        insecure=not configuration.verify_ssl,
        proxy=configuration.proxy,
    )


def _in_cluster(settings: ClusterSettings) -> bool:
    chosen = settings.kubeconfig or settings.context or os.environ.get("KUBECONFIG")
    return not chosen and bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def _kubeconfig(settings: ClusterSettings) -> str:
    """Return the paths that kubectl would read. Raises FileNotFoundError where none of them is a
    file: the client itself would fall back to localhost."""
    paths = settings.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    if not any(Path(p).expanduser().is_file() for p in paths.split(os.pathsep) if p):
        raise FileNotFoundError(f"no such file: {paths}")
    return paths


def _explain(settings: ClusterSettings, error: Exception) -> str:
    if _in_cluster(settings):
        return f"cannot use the pod's service account: {error}"
    if isinstance(error, TypeError):  # the loader raises it over a file that is no mapping
        error = ValueError("the file is no kubeconfig")
    return (
        f"no cluster to talk to: {error}. Set KUBECONFIG or pass --kubeconfig; for a local "
        'control plane: capscan local up && eval "$(capscan local env)"'
    )
