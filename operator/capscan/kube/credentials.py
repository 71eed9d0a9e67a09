"""From an entry of a kubeconfig, or from the pod, to what a connection needs: `Credentials`.

What kubectl refuses is refused here too, and so is what cannot be done, before anything is sent. No
way leads from a fault to credentials that are empty. When credentials are made anew is decided in
`login.py`, what a session makes of them is in `session.py`.
"""

import base64
import binascii
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

from capscan.core.kube_errors import NoCluster
from capscan.kube import exec_plugin, oidc
from capscan.kube.kubeconfig import Chosen
from capscan.kube.kubeconfig_entries import Cluster, User
from capscan.kube.proxies import is_this_machine, proxy_of, refused_proxy

logger = logging.getLogger(__name__)

TOKEN_FILE_AGE_S_MAX = 50.0
"""A token is read again from its file after so long, as client-go does."""
CERTIFICATE_AGE_S_MAX = 300.0
"""A client certificate is read again from its file after so long, as client-go does."""
FILE_BYTES_MAX = 2**20

_HEADER_MARKS = "!#$&'*+-.^_`|~"
"""What stays as it is in the name of a header, beside letters and digits."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client needs to reach one cluster as one user."""

    server: str
    authorization: str | None = field(default=None, repr=False)
    """The header; None where a client certificate is enough, or where there is no user."""
    ca: str | None = None
    """Certificates in PEM that sign the server's; None for those that this machine trusts."""
    certificate: tuple[str, str] | None = field(default=None, repr=False)
    """The client's certificate and its key in PEM."""
    insecure: bool = False
    """Any certificate of the server will do."""
    server_name: str | None = None
    """The name that the server's certificate has to have, where that is not the host's."""
    proxy: str | None = field(default=None, repr=False)
    impersonation: tuple[tuple[str, str], ...] = ()
    """The headers that ask the server to act as somebody else."""
    stale_at: float = math.inf
    """When they have to be read again, as `time.time` tells it."""
    is_lasting: bool = True
    """Whether they may go on being used where they cannot be read again at that time."""

    def same_way(self, other: Self) -> bool:
        """Whether a connection that was made with these serves the others too."""
        return self._way() == other._way()

    def _way(self) -> Self:
        return replace(self, authorization=None, stale_at=math.inf, is_lasting=True)


async def of_kubeconfig(chosen: Chosen, environment: Mapping[str, str]) -> Credentials:
    """Return the credentials of a context, and run its exec plugin where it has one. Raises
    NoCluster.
    """
    cluster, user = chosen.cluster, chosen.user
    _refuse_what_kubectl_refuses(cluster, user)
    found = Credentials(
        server=_server(cluster),
        ca=_data_or_file(
            cluster.certificate_authority_data,
            cluster.certificate_authority,
            "certificate-authority",
        ),
        insecure=cluster.insecure_skip_tls_verify,
        server_name=cluster.tls_server_name or None,
        proxy=_proxy(cluster, environment),
        impersonation=_impersonation(user),
    )
    if urlsplit(found.server).scheme == "http" and not is_this_machine(found.server):
        # kubectl sends nobody's credentials over a connection that anybody can read.
        logger.warning("%s is not reached by https: no credentials are sent there", found.server)
        return found
    return await _with_user(found, cluster, user)


def of_pod(environment: Mapping[str, str], folder: Path) -> Credentials:
    """Return the credentials of the pod's service account, which is mounted in `folder`. Raises
    NoCluster.
    """
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "")
    server = f"https://{f'[{host}]' if ':' in host else host}:{port or 443}"
    token = _file(str(folder / "token"), "the token").strip()
    if not token:
        raise NoCluster(f"{folder / 'token'} is empty")
    return Credentials(
        server=server,
        authorization=f"Bearer {token}",
        ca=_file(str(folder / "ca.crt"), "the CA"),
        proxy=_checked_proxy(proxy_of(server, environment), "HTTPS_PROXY"),
        stale_at=time.time() + TOKEN_FILE_AGE_S_MAX,
    )


def _refuse_what_kubectl_refuses(cluster: Cluster, user: User) -> None:
    has_ca = cluster.certificate_authority or cluster.certificate_authority_data
    if cluster.insecure_skip_tls_verify and has_ca:
        raise NoCluster("the cluster has a CA and insecure-skip-tls-verify: remove one of them")
    if (user.token or user.token_file) and (user.username or user.password):
        raise NoCluster("the user has a token and a password: remove one of them")
    rest = user.impersonated_uid or user.impersonated_groups or user.impersonated_extra
    if rest and not user.impersonated:
        raise NoCluster("the user has as-uid, as-groups or as-user-extra without as: add as")
    if user.exec and user.auth_provider:
        raise NoCluster("the user has an exec plugin and an auth-provider: remove one of them")


async def _with_user(found: Credentials, cluster: Cluster, user: User) -> Credentials:
    """Add who the user is. A static credential wins over a plugin, which is then not run."""
    certificate = _data_or_file(
        user.client_certificate_data, user.client_certificate, "client-certificate"
    )
    key = _data_or_file(user.client_key_data, user.client_key, "client-key")
    if bool(certificate) != bool(key):
        raise NoCluster("the user has half a client certificate: client-certificate and client-key")
    if certificate and key:
        found = replace(found, certificate=(certificate, key))
        if not (user.client_certificate_data and user.client_key_data):
            found = replace(found, stale_at=time.time() + CERTIFICATE_AGE_S_MAX)
    if user.token_file:
        return replace(
            found,
            authorization=_bearer(_file(user.token_file, "tokenFile"), "tokenFile"),
            stale_at=time.time() + TOKEN_FILE_AGE_S_MAX,
        )
    if user.token:
        return replace(found, authorization=_bearer(user.token, "token"))
    if user.username or user.password:
        words = f"{user.username}:{user.password}".encode()
        return replace(found, authorization=f"Basic {base64.b64encode(words).decode()}")
    if certificate or not (user.exec or user.auth_provider):
        return found
    return await _with_plugin(found, cluster, user)


async def _with_plugin(found: Credentials, cluster: Cluster, user: User) -> Credentials:
    if user.exec is None:
        return replace(found, authorization=_bearer(await oidc.token(user), "auth-provider"))
    printed = await exec_plugin.run(user.exec, cluster)
    return replace(
        found,
        authorization=_bearer(printed.token, "token of the exec plugin") if printed.token else None,
        certificate=(printed.certificate, printed.key) if printed.certificate else None,
        stale_at=printed.expires_at.timestamp() if printed.expires_at else math.inf,
        is_lasting=False,
    )


def _server(cluster: Cluster) -> str:
    server = cluster.server if "://" in cluster.server else f"https://{cluster.server}"
    try:
        url = urlsplit(server)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        usable = False
    if not cluster.server or not usable:
        raise NoCluster(f"the server {cluster.server!r} is no address; write https://HOST:PORT")
    return urlunsplit((url.scheme, url.netloc, url.path.rstrip("/"), "", ""))


def _proxy(cluster: Cluster, environment: Mapping[str, str]) -> str | None:
    """Return the proxy. One in the kubeconfig wins, and NO_PROXY means nothing to it."""
    if cluster.proxy_url:
        return _checked_proxy(cluster.proxy_url, "proxy-url")
    server = _server(cluster)
    return _checked_proxy(proxy_of(server, environment), "HTTPS_PROXY or HTTP_PROXY")


def _checked_proxy(proxy: str | None, where: str) -> str | None:
    if proxy and (fault := refused_proxy(proxy)):
        raise NoCluster(f"the proxy of {where} cannot be used: {fault}")
    return proxy


def _impersonation(user: User) -> tuple[tuple[str, str], ...]:
    if not user.impersonated:
        return ()
    headers = [("Impersonate-User", user.impersonated)]
    if user.impersonated_uid:
        headers.append(("Impersonate-Uid", user.impersonated_uid))
    headers += [("Impersonate-Group", group) for group in user.impersonated_groups]
    headers += [
        (f"Impersonate-Extra-{quote(key, safe=_HEADER_MARKS)}", value)
        for key, values in (user.impersonated_extra or {}).items()
        for value in values
    ]
    return tuple(headers)


def _bearer(token: str, what: str) -> str:
    token = token.strip()
    if not token:
        raise NoCluster(f"the {what} of the user is empty")
    if not (token.isascii() and token.isprintable()):
        raise NoCluster(f"the {what} of the user has characters that no header can carry")
    return f"Bearer {token}"


def _data_or_file(data: str, path: str, what: str) -> str | None:
    """Return the text in PEM; what stands in the kubeconfig itself wins."""
    if not data:
        return _file(path, what) if path else None
    try:
        return base64.b64decode(data, validate=False).decode("ascii", errors="replace")
    except (binascii.Error, ValueError):
        raise NoCluster(f"the {what}-data of the kubeconfig is no base64") from None


def _file(path: str, what: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(FILE_BYTES_MAX).decode("utf-8", errors="replace")
    except OSError as error:
        raise NoCluster(f"{what}: {path} cannot be read: {error.strerror or error}") from error
