"""The auth-provider `oidc` of a kubeconfig, which kubectl still has built in.

The tokens are read and refreshed by the client library. A refreshed token is not written back into
the file. Every other auth-provider has been taken out of kubectl and is refused here too.
"""

import aiohttp
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration

from capscan.core.kube_errors import NoCluster
from capscan.kube.kubeconfig_entries import User

_INSTEAD = (
    "use an exec plugin instead: gke-gcloud-auth-plugin, kubelogin, or the one that your provider "
    "documents"
)


async def token(user: User) -> str:
    """Return a token that has not expired. Raises NoCluster."""
    provider = user.auth_provider
    if provider is None or provider.name != "oidc":
        name = provider.name if provider else ""
        raise NoCluster(f"the auth-provider {name!r} is not in kubectl any more; {_INSTEAD}")
    config = {
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": "https://x"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [
            {
                "name": "x",
                "user": {"auth-provider": {"name": "oidc", "config": provider.config or {}}},
            }
        ],
    }
    configuration = Configuration()
    try:
        await kube_config.load_kube_config_from_dict(
            config, client_configuration=configuration, persist_config=False
        )
    except (
        kube_config.ConfigException, aiohttp.ClientError, OSError, TimeoutError,
        AttributeError, KeyError, TypeError, ValueError,
    ) as error:  # fmt: skip
        raise NoCluster(f"the auth-provider oidc gives no token ({type(error).__name__})") from None
    found: str = configuration.api_key.get("BearerToken", "")
    return found.removeprefix("Bearer ")
