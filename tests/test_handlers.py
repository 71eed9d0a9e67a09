"""kopf's watch: it goes the same way as capscan's own client, as the same user."""

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from capscan.handlers import watch_with_kopf
from capscan.kube.client import KubeClient
from capscan.kube.config import ClusterSettings
from capscan.kube.known import Known
from capscan.model import CapabilityScan, InferenceProvider
from capscan.serve.probes import Health
from capscan.watching import Watched, Watching
from tests.kube.cluster_stub import NAME, ClusterStub, Pki, kubeconfig
from tests.kube.plugins import credential, entry, plugin, printing

pytestmark = [
    pytest.mark.anyio,
    # kopf leaves a socket open where its event loop ends in the middle of a request.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

KINDS = 2


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki.made(tmp_path_factory.mktemp("pki"))


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Collect what kopf left here, and not in the middle of another test."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the environment of the machine that the tests run on."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def watching(path: Path) -> AsyncIterator[Health]:
    """Both halves at work over a kubeconfig; the health that the probes would tell."""
    client = KubeClient(ClusterSettings(kubeconfig=str(path)))
    health = Health(clock=anyio.current_time)
    scans: Known[CapabilityScan] = Known()
    providers: Known[InferenceProvider] = Known()
    kinds = [
        Watched("inferenceproviders", InferenceProvider.from_wire, providers),
        Watched("capabilityscans", CapabilityScan.from_wire, scans),
    ]
    await client.connect()
    try:
        async with anyio.create_task_group() as group:
            found = Watching(client, watch_with_kopf, kinds, health, lambda: None)
            group.start_soon(found.run)
            yield health
            group.cancel_scope.cancel()
    finally:
        await client.close()


async def until(holds: Callable[[], object]) -> None:
    with anyio.fail_after(20):
        while not holds():  # noqa: ASYNC110
            await anyio.sleep(0.01)


USERS: dict[str, tuple[dict[str, Any], str]] = {
    "token": ({"token": "word"}, "Bearer word"),
    "password": ({"username": "u", "password": "p"}, "Basic dTpw"),
    "token before plugin": ({"token": "word", "exec": entry("no-such-plugin")}, "Bearer word"),
}


@pytest.mark.parametrize(("user", "authorization"), USERS.values(), ids=USERS.keys())
async def test_both_halves_say_who_the_user_is(
    tmp_path: Path, user: dict[str, Any], authorization: str
) -> None:
    stub = ClusterStub()
    async with stub.serving():
        path = kubeconfig(tmp_path / "config", f"http://127.0.0.1:{stub.port}", user)
        async with watching(path) as health:
            await until(lambda: health.ready)

    assert len(stub.watched) == KINDS
    assert {one.authorization for one in stub.asked} == {authorization}


async def test_both_halves_act_as_somebody_else_and_check_another_name(
    tmp_path: Path, pki: Pki
) -> None:
    stub = ClusterStub()
    user = {
        "token": "word",
        "as": "jo",
        "as-uid": "7",
        "as-groups": ["g1", "g2"],
        "as-user-extra": {"example.com/scope": ["a", "b"]},
    }
    tls = {"tls-server-name": NAME, "certificate-authority": str(pki.certificate)}
    async with stub.serving(pki.server()):
        server = f"https://127.0.0.1:{stub.port}"
        async with watching(kubeconfig(tmp_path / "config", server, user, **tls)) as health:
            await until(lambda: health.ready)

    assert len(stub.watched) == KINDS
    assert set(stub.names) == {NAME}
    for one in stub.asked:
        assert one.all("Impersonate-") == [
            ("Impersonate-User", "jo"),
            ("Impersonate-Uid", "7"),
            ("Impersonate-Group", "g1"),
            ("Impersonate-Group", "g2"),
            ("Impersonate-Extra-example.com%2Fscope", "a"),
            ("Impersonate-Extra-example.com%2Fscope", "b"),
        ]


async def test_a_dead_proxy_and_a_netrc_lead_nobody_away_from_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are what a company's machine has, and kubectl goes past them to a local server."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    stub = ClusterStub()
    async with stub.serving():
        path = kubeconfig(tmp_path / "config", f"http://127.0.0.1:{stub.port}", {"token": "word"})
        async with watching(path) as health:
            await until(lambda: health.ready)

    assert {one.authorization for one in stub.asked} == {"Bearer word"}


async def test_both_halves_take_the_proxy_of_the_kubeconfig(tmp_path: Path) -> None:
    stub = ClusterStub()
    async with stub.serving():
        server, proxy = "http://127.0.0.2:1", f"http://127.0.0.1:{stub.port}"
        path = kubeconfig(tmp_path / "config", server, {"token": "w"}, **{"proxy-url": proxy})
        async with watching(path) as health:
            await until(lambda: health.ready)

    assert len(stub.watched) == KINDS


async def test_a_token_that_is_refused_is_asked_of_the_plugin_again_by_both_halves(
    tmp_path: Path,
) -> None:
    """No request goes out without a token, also while the plugin fails."""
    word = tmp_path / "word"
    word.write_text("old")
    command = plugin(
        tmp_path / "plugin",
        f"W=$(cat '{word}'); [ -n \"$W\" ] || {{ echo 'the session has ended' >&2; exit 1; }}\n"
        f"echo '{credential(token='@')}' | sed \"s/@/$W/\"",
    )
    stub = ClusterStub()
    async with stub.serving():
        user = {"exec": entry(command)}
        path = kubeconfig(tmp_path / "config", f"http://127.0.0.1:{stub.port}", user)
        async with watching(path) as health:
            await until(lambda: health.ready)
            word.write_text("")
            stub.takes = lambda authorization: authorization == "Bearer new"
            stub.end_watches()
            await until(lambda: len(stub.refused) > 1)
            word.write_text("new")
            await until(lambda: len(stub.streams) == KINDS and health.ready)

    assert {one.authorization for one in stub.asked} == {"Bearer old", "Bearer new"}


async def test_a_token_that_ends_soon_is_renewed_before_anybody_refuses_it(
    tmp_path: Path,
) -> None:
    count = tmp_path / "count"
    command = printing(
        tmp_path / "plugin", credential(token="t", expirationTimestamp="2020-01-01T00:00:00Z")
    )
    command.write_text(command.read_text() + f"echo run >> '{count}'\n")
    stub = ClusterStub()
    async with stub.serving():
        path = kubeconfig(
            tmp_path / "config", f"http://127.0.0.1:{stub.port}", {"exec": entry(command)}
        )
        async with watching(path) as health:
            await until(lambda: health.ready)
            runs = len(count.read_text().splitlines())

    assert {one.authorization for one in stub.asked} == {"Bearer t"}
    assert 1 <= runs <= len(stub.asked)


async def test_kinds_that_are_deleted_are_waited_for(tmp_path: Path) -> None:
    stub = ClusterStub()
    async with stub.serving():
        path = kubeconfig(tmp_path / "config", f"http://127.0.0.1:{stub.port}", {"token": "w"})
        async with watching(path) as health:
            await until(lambda: health.ready)
            stub.gone = True
            stub.end_watches()
            await until(lambda: "are not installed" in health.reason)
            assert not health.ready
            stub.gone = False
            await until(lambda: health.ready)
