"""From the entries of a kubeconfig, or from the pod, to what a connection needs."""

import base64
import time
from pathlib import Path
from typing import Any

import pytest

from capscan.core.kube_errors import NoCluster
from capscan.kube.credentials import Credentials, of_kubeconfig, of_pod
from capscan.kube.kubeconfig import Chosen
from capscan.kube.kubeconfig_entries import Cluster, User
from capscan.kube.session import tls_of
from tests.kube.plugins import credential, entry, printing

pytestmark = pytest.mark.anyio

SERVER = "https://kube.example.com:6443"
PROXY = {"HTTPS_PROXY": "http://proxy.example.com:3128", "NO_PROXY": "10.0.0.0/8"}


async def found(
    user: dict[str, Any], environment: dict[str, str] | None = None, **cluster: Any
) -> Credentials:
    chosen = Chosen(Cluster.model_validate({"server": SERVER} | cluster), User.model_validate(user))
    return await of_kubeconfig(chosen, environment or {})


async def test_a_token_from_a_file_is_stripped_and_wins_and_is_read_again_soon(
    tmp_path: Path,
) -> None:
    file = tmp_path / "token"
    file.write_text("  from-file\r\n")
    credentials = await found({"tokenFile": str(file), "token": "inline"})

    assert credentials.authorization == "Bearer from-file"
    assert 0 < credentials.stale_at - time.time() <= 60


async def test_a_plugin_gives_a_token_until_a_time(tmp_path: Path) -> None:
    output = credential(token="word", expirationTimestamp="2031-01-01T00:00:00Z")
    credentials = await found({"exec": entry(printing(tmp_path / "p", output))})

    assert credentials.authorization == "Bearer word"
    assert credentials.stale_at == pytest.approx(1924992000.0)
    assert not credentials.is_lasting


@pytest.mark.parametrize(
    "user",
    [
        {"token": "word"},
        {"username": "u"},
        {"client-certificate-data": "Yw==", "client-key-data": "aw=="},
    ],
)
async def test_a_static_credential_wins_over_a_plugin_which_is_not_run(
    user: dict[str, Any],
) -> None:
    credentials = await found(user | {"exec": entry("no-such-plugin")})

    assert credentials.authorization or credentials.certificate


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a token and a password": ({"token": "t", "username": "u"}, {}, "remove one of them"),
    "groups without as": ({"token": "t", "as-groups": ["g"]}, {}, "add as"),
    "half a certificate": ({"client-certificate-data": "YQ=="}, {}, "half a client certificate"),
    "an empty token file": ({"tokenFile": "/dev/null"}, {}, "is empty"),
    "a token file that is gone": ({"tokenFile": "/no/such"}, {}, "tokenFile: /no/such"),
    "a token of two lines": ({"token": "a\nb"}, {}, "no header can carry"),
    "a token beyond ASCII": ({"token": "wörd"}, {}, "no header can carry"),
    "gcp": ({"auth-provider": {"name": "gcp"}}, {}, "gke-gcloud-auth-plugin"),
    "azure": ({"auth-provider": {"name": "azure"}}, {}, "kubelogin"),
    "oidc without a token": ({"auth-provider": {"name": "oidc"}}, {}, "oidc gives no token"),
    "a CA and insecure": (
        {"token": "t"},
        {"insecure-skip-tls-verify": True, "certificate-authority-data": "YQ=="},
        "remove one of them",
    ),
    "a proxy by socks": ({"token": "t"}, {"proxy-url": "socks5://p:1"}, "http://HOST:PORT"),
    "a proxy by https": ({"token": "t"}, {"proxy-url": "https://p:1"}, "http://HOST:PORT"),
    "no server": ({"token": "t"}, {"server": ""}, "write https://HOST:PORT"),
    "a server that is no address": ({"token": "t"}, {"server": "https://a:b"}, "HOST:PORT"),
}


@pytest.mark.parametrize(("user", "cluster", "words"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_cannot_be_done_is_refused_with_what_to_write(
    user: dict[str, Any], cluster: dict[str, Any], words: str
) -> None:
    with pytest.raises(NoCluster, match=words):
        await found(user, **cluster)


@pytest.mark.parametrize(
    ("server", "cluster", "proxy"),
    [
        (SERVER, {}, PROXY["HTTPS_PROXY"]),
        ("https://10.1.2.3", {}, None),
        ("https://127.0.0.1:6443", {}, None),
        ("https://10.1.2.3", {"proxy-url": "http://other:1"}, "http://other:1"),
    ],
)
async def test_the_proxy_is_the_one_that_kubectl_takes(
    server: str, cluster: dict[str, Any], proxy: str | None
) -> None:
    assert (await found({"token": "t"}, PROXY, server=server, **cluster)).proxy == proxy


@pytest.mark.parametrize(
    ("server", "wanted"),
    [
        ("https://h/k8s/clusters/c-1/", "https://h/k8s/clusters/c-1"),
        ("https://h/?a=b#c", "https://h"),
        ("h:6443", "https://h:6443"),
    ],
)
async def test_the_server_keeps_its_path_alone(server: str, wanted: str) -> None:
    assert (await found({"token": "t"}, server=server)).server == wanted


async def test_no_credentials_go_over_a_connection_that_anybody_can_read() -> None:
    assert (await found({"token": "t"}, server="http://kube.example.com")).authorization is None
    assert (await found({"token": "t"}, server="http://127.0.0.1:1")).authorization == "Bearer t"


async def test_a_certificate_that_is_none_is_refused() -> None:
    data = base64.b64encode(b"nothing").decode()
    user = {"client-certificate-data": data, "client-key-data": data}

    with pytest.raises(NoCluster, match="certificates of the kubeconfig cannot be used"):
        tls_of(await found(user))
    with pytest.raises(NoCluster, match="certificates of the kubeconfig cannot be used"):
        tls_of(await found({"token": "t"}, {}, **{"certificate-authority-data": data}))


def test_the_account_of_a_pod_is_read_and_stripped(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("word\n")
    (tmp_path / "ca.crt").write_text("PEM")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    credentials = of_pod(environment, tmp_path)

    assert credentials.server == "https://[fd00::1]:443"
    assert credentials.authorization == "Bearer word"
    assert credentials.stale_at < time.time() + 60
