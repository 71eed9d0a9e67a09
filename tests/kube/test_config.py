"""Finding the cluster; and what a user is told who has none."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from capscan.core.kube_errors import NoCluster
from capscan.kube.config import ClusterSettings, load_credentials
from capscan.kube.credentials import Credentials

PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the kubeconfig and the environment of the machine that the tests run on."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", *PROXIES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def kubeconfig(**changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c1", "cluster": {"server": "https://one:6443"}},
            {"name": "c2", "cluster": {"server": "http://two:8080"}},
        ],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [
            {"name": "x1", "context": {"cluster": "c1", "user": "u"}},
            {"name": "x2", "context": {"cluster": "c2", "user": "u"}},
        ],
        "current-context": "x1",
        **changes,
    }


def written(path: Path, text: str | None = None) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(kubeconfig()) if text is None else text)
    return str(path)


async def server(settings: ClusterSettings) -> str:
    return (await load_credentials(settings)).server


async def test_the_context_that_kubectl_would_take_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path / "config")

    assert await server(ClusterSettings(kubeconfig=path)) == "https://one:6443"


async def test_another_context_can_be_chosen(tmp_path: Path) -> None:
    path = written(tmp_path / "config")

    assert await server(ClusterSettings(kubeconfig=path, context="x2")) == "http://two:8080"


async def test_the_environment_names_the_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", written(tmp_path / "config"))

    assert await server(ClusterSettings()) == "https://one:6443"


async def test_kubeconfig_may_name_several_files_of_which_some_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing"
    monkeypatch.setenv("KUBECONFIG", f"{missing}:{written(tmp_path / 'config')}")

    assert await server(ClusterSettings()) == "https://one:6443"


async def test_the_kubeconfig_in_the_home_folder_is_read(tmp_path: Path) -> None:
    written(tmp_path / "home" / ".kube" / "config")

    assert await server(ClusterSettings()) == "https://one:6443"


async def test_credentials_are_told_in_plain_terms(tmp_path: Path) -> None:
    found = await load_credentials(ClusterSettings(kubeconfig=written(tmp_path / "config")))

    assert found == Credentials(server="https://one:6443", authorization="Bearer secret")
    assert "secret" not in repr(found)


BROKEN = {
    "not YAML": "a: [",
    "empty": "",
    "a list": "[]",
    "a word": "hello",
    "of nothing": "{}",
    "without contexts": yaml.safe_dump(kubeconfig(contexts=None)),
    "without a current context": yaml.safe_dump(kubeconfig(**{"current-context": ""})),
    "of an unknown context": yaml.safe_dump(kubeconfig(**{"current-context": "x9"})),
    "of an unknown cluster": yaml.safe_dump(kubeconfig(clusters=[])),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_kubeconfig_is_told_with_what_to_do(tmp_path: Path, text: str) -> None:
    settings = ClusterSettings(kubeconfig=written(tmp_path / "config", text))

    with pytest.raises(
        NoCluster, match=r"(?s)no cluster to talk to: .*--kubeconfig.*capscan local up"
    ):
        await load_credentials(settings)


async def test_a_missing_context_is_named(tmp_path: Path) -> None:
    settings = ClusterSettings(kubeconfig=written(tmp_path / "config"), context="x9")

    with pytest.raises(NoCluster, match="x9"):
        await load_credentials(settings)


@pytest.mark.parametrize("chosen", [None, "missing"])
async def test_a_missing_kubeconfig_is_named_by_its_path(
    tmp_path: Path, chosen: str | None
) -> None:
    path = str(tmp_path / chosen) if chosen else None

    with pytest.raises(NoCluster, match=f"no such file: {path or '~/.kube/config'}"):
        await load_credentials(ClusterSettings(kubeconfig=path))


async def test_in_a_pod_the_service_account_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no such account here, and the message names it instead of a kubeconfig."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    with pytest.raises(NoCluster, match="service account"):
        await load_credentials(ClusterSettings())


async def test_a_kubeconfig_wins_over_the_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    path = written(tmp_path / "config")

    assert await server(ClusterSettings(kubeconfig=path)) == "https://one:6443"
