"""HttpClient against a real server: what goes wrong on the way, and what it is called."""

import asyncio
import base64
import gzip
import logging
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from capscan.core.errors import (
    CapscanError,
    InferenceTimeout,
    InvalidAnswer,
    ProviderUnavailable,
    ProviderUnreachable,
    ProviderUnusable,
)
from capscan.inference.api.http import REPLY_BYTES_MAX, HttpClient, open_http
from capscan.inference.api.network_errors import translated
from capscan.inference.api.transport import STALE_S_MAX
from capscan.model.provider import ProviderSpec
from tests.inference.api.loopback import Connection, Serve, answer_all, response, serving
from tests.inference.spent import spent

pytestmark = pytest.mark.anyio

DEFAULT = "https://unused.invalid"


@asynccontextmanager
async def client_of(spec: ProviderSpec) -> AsyncIterator[HttpClient]:
    client = open_http(spec, DEFAULT, {"authorization": "Bearer secret"})
    try:
        yield client
    finally:
        await client.aclose()


async def failure(serve: Serve, **options: object) -> CapscanError:
    """What one POST raises."""
    async with serving(serve) as server, client_of(server.spec(**options)) as client:
        with pytest.raises(CapscanError) as raised:
            await client.post("/x", {})
    return raised.value


async def test_one_request_and_its_reply() -> None:
    """Sent as JSON, without compression, to where baseURL says; the connection is used again."""
    async with serving(answer_all) as server, client_of(server.spec()) as client:
        replies = [await client.post("/chat", {"a": "é"}), await client.get("/models")]

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert [reply.status for reply in replies] == [200, 200]
    assert server.connections == 1
    assert head.startswith(b"POST /v1/chat HTTP/1.1\r\n")
    assert b"\r\naccept-encoding: identity\r\n" in head.lower() + b"\r\n"
    assert b"\r\nauthorization: Bearer secret" in head
    assert body == '{"a":"é"}'.encode()


async def test_a_stale_connection_is_replaced_at_once() -> None:
    """The server closed it at the moment the request came: nothing was asked."""

    async def one_each(connection: Connection) -> None:
        await connection.request()
        if connection.number == 1:
            await connection.send(response())
            await connection.request()

    async def stale_once(connection: Connection) -> None:
        if connection.number == 1:
            await one_each(connection)
        else:
            await answer_all(connection)

    async with serving(stale_once) as server, client_of(server.spec()) as client:
        await client.post("/1", {})
        reply = await client.post("/2", {})

    assert reply.status == 200
    assert [r.split()[1] for r in server.requests] == [b"/v1/1", b"/v1/2", b"/v1/2"]


async def test_the_other_stale_connections_are_passed_by() -> None:
    """After a restart behind a load balancer, all of the pool's are: one repeat must do."""
    together = asyncio.Barrier(3)

    async def one_each(connection: Connection) -> None:
        await connection.request()
        if connection.number <= 3:
            await together.wait()
        await connection.send(response())
        await connection.request()

    async with serving(one_each) as server, client_of(server.spec()) as client:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(client.post, "/1", {})
        replies = [await client.post("/2", {}) for _ in range(3)]

    assert [reply.status for reply in replies] == [200] * 3
    assert (server.connections, len(server.requests)) == (6, 9)


async def test_a_fresh_connection_that_is_cut_is_not_tried_again() -> None:
    """It may have been asked, and may cost."""

    async def cut(connection: Connection) -> None:
        await connection.request()

    async with serving(cut) as server, client_of(server.spec()) as client:
        with pytest.raises(ProviderUnavailable, match="broke"):
            await client.post("/x", {})

    assert len(server.requests) == 1


async def test_what_was_worked_on_is_not_sent_again() -> None:
    """A server that is restarted would get all that it had in hand at once, past the gate."""

    async def dies_later(connection: Connection) -> None:
        await connection.request()
        await connection.send(response())
        await connection.request()
        await anyio.sleep(STALE_S_MAX + 0.2)

    async with serving(dies_later) as server, client_of(server.spec()) as client:
        await client.post("/1", {})
        with pytest.raises(ProviderUnavailable, match="broke"):
            await client.post("/2", {})

    assert len(server.requests) == 2


async def test_a_stale_connection_is_replaced_once() -> None:
    """Then the server is away."""

    async def first_only(connection: Connection) -> None:
        await connection.request()
        if connection.number == 1:
            await connection.send(response())
            await connection.request()

    async with serving(first_only) as server, client_of(server.spec()) as client:
        await client.post("/1", {})
        with pytest.raises(ProviderUnavailable, match="broke"):
            await client.post("/2", {})

    assert len(server.requests) == 3


async def test_a_reply_that_breaks_off_is_not_asked_for_again() -> None:
    """On a used connection either: an answer had begun."""

    async def half(connection: Connection) -> None:
        await connection.request()
        await connection.send(response())
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    async with serving(half) as server, client_of(server.spec()) as client:
        await client.post("/1", {})
        with pytest.raises(ProviderUnavailable, match="broke"):
            await client.post("/2", {})

    assert len(server.requests) == 2


async def test_a_reply_without_end_is_cut_at_the_limit() -> None:
    """100 MB are neither stored nor read."""
    sent = 0

    async def flood(connection: Connection) -> None:
        nonlocal sent
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
        while sent < 104857600:
            await connection.send(b"x" * 65536)
            sent += 65536

    error = await failure(flood)

    assert isinstance(error, InvalidAnswer)
    assert str(REPLY_BYTES_MAX) in error.message
    assert spent(error).requests == 1
    assert sent < 20 * REPLY_BYTES_MAX


async def test_a_compressed_reply_without_end_is_cut_as_well() -> None:
    """Compression that nobody asked for is read, up to the same limit."""
    bomb = gzip.compress(b"x" * 100 * 1024 * 1024)

    async def inflate(connection: Connection) -> None:
        await connection.request()
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
        await connection.send(head.encode() + bomb)

    error = await failure(inflate)

    assert isinstance(error, InvalidAnswer)
    assert str(REPLY_BYTES_MAX) in str(error)


async def test_a_reply_that_trickles_ends_with_the_caller_and_the_pool_lives() -> None:
    """One byte now and then never trips a read timeout; cancelling it costs one connection."""

    async def trickle(connection: Connection) -> None:
        await connection.request()
        if connection.number == 1:
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while True:
                await connection.send(b"x")
                await asyncio.sleep(0.01)
        await connection.send(response())

    async with serving(trickle) as server, client_of(server.spec()) as client:
        with anyio.move_on_after(0.2) as scope:
            await client.post("/1", {})
        reply = await client.post("/2", {})

    assert scope.cancelled_caught
    assert reply.status == 200


async def test_many_cancelled_requests_leave_the_pool_usable() -> None:
    """In whatever state each of them was."""

    async def slow(connection: Connection) -> None:
        while b"fast" not in await connection.request():
            await asyncio.sleep(0.05)
            await connection.send(response())
        await connection.send(response())

    async with serving(slow) as server, client_of(server.spec()) as client:
        for round_s in (0.0, 0.001, 0.02, 0.05, 0.06):
            with anyio.move_on_after(round_s):
                async with anyio.create_task_group() as group:
                    for _ in range(20):
                        group.start_soon(client.post, "/slow", {})
        with anyio.fail_after(5):
            replies = [await client.post("/fast", {}) for _ in range(5)]

    assert [reply.status for reply in replies] == [200] * 5


async def test_silence_is_a_timeout() -> None:
    """After requestTimeout."""

    async def silent(connection: Connection) -> None:
        await connection.request()
        await asyncio.sleep(60)

    error = await failure(silent, requestTimeout="100ms")

    assert isinstance(error, InferenceTimeout)
    assert "did not answer in time" in error.message


async def test_nobody_listening_is_unavailable() -> None:
    """By its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    spec = ProviderSpec.model_validate(
        {"protocol": "OpenAI", "model": "m", "baseURL": f"http://127.0.0.1:{port}"}
    )
    async with client_of(spec) as client:
        with pytest.raises(ProviderUnreachable, match=rf"127\.0\.0\.1:{port} cannot be reached"):
            await client.get("/")


async def test_a_name_that_is_not_resolved_is_named() -> None:
    """A typing error is seen at once, and an outage of DNS passes."""
    spec = ProviderSpec.model_validate(
        {"protocol": "OpenAI", "model": "m", "baseURL": "http://no-such-host.invalid/v1"}
    )
    async with client_of(spec) as client:
        with pytest.raises(ProviderUnreachable, match=r"the name no-such-host\.invalid cannot"):
            await client.get("/")


async def test_redirects_are_not_followed() -> None:
    """The key would go along."""

    async def elsewhere(connection: Connection) -> None:
        await connection.request()
        await connection.send(response(302, location="http://127.0.0.1:1/"))

    async with serving(elsewhere) as server, client_of(server.spec()) as client:
        reply = await client.post("/x", {})

    assert reply.status == 302


async def test_what_is_no_http_is_unavailable() -> None:
    """A port of something else."""

    async def ssh(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"SSH-2.0-OpenSSH_9.6\r\n")

    assert isinstance(await failure(ssh), ProviderUnavailable)


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the spec does."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with serving(answer_all) as server, client_of(server.spec()) as client:
        assert (await client.get("/")).status == 200


async def test_a_proxy_is_asked_for_the_provider() -> None:
    """With its whole address."""
    async with serving(answer_all) as proxy:
        spec = proxy.spec(
            baseURL="http://ollama.ai.svc:11434/v1", proxyURL=f"http://127.0.0.1:{proxy.port}"
        )
        async with client_of(spec) as client:
            await client.get("/models")

    assert proxy.requests[0].startswith(b"GET http://ollama.ai.svc:11434/v1/models HTTP/1.1\r\n")


async def test_no_log_holds_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """At the most talkative level."""
    caplog.set_level(logging.DEBUG)
    async with serving(answer_all) as server, client_of(server.spec()) as client:
        await client.get("/")

    assert caplog.records
    assert "secret" not in caplog.text


class Pki:
    """A CA and a certificate for 127.0.0.1, made by the openssl program."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", self.key, "-out", self.certificate, "-days", "2",
             "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True, capture_output=True,
        )  # fmt: skip

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def bundle(self) -> str:
        return base64.b64encode(self.certificate.read_bytes()).decode()


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


async def test_an_untrusted_certificate_says_what_to_do(pki: Pki) -> None:
    """It does not heal by itself."""
    async with serving(answer_all, pki.context()) as server, client_of(server.spec()) as client:
        with pytest.raises(ProviderUnusable, match=r"spec\.caBundle") as raised:
            await client.get("/")

    assert raised.value.reason == "UntrustedCertificate"
    assert "self-signed certificate" in str(raised.value)


async def test_a_certificate_of_the_bundle_is_trusted(pki: Pki) -> None:
    """Line breaks in the base64 do no harm."""
    bundle = "\n".join([pki.bundle()[:50], pki.bundle()[50:]])
    async with (
        serving(answer_all, pki.context()) as server,
        client_of(server.spec(caBundle=bundle)) as client,
    ):
        assert (await client.get("/")).status == 200


async def test_a_certificate_for_another_name_is_told_apart(pki: Pki) -> None:
    """The bundle is right, the name is not."""
    async with serving(answer_all, pki.context()) as server:
        spec = server.spec(caBundle=pki.bundle(), baseURL=f"https://localhost:{server.port}/v1")
        async with client_of(spec) as client:
            with pytest.raises(ProviderUnusable, match="Hostname mismatch") as raised:
                await client.get("/")

    assert raised.value.reason == "UntrustedCertificate"


async def test_tls_to_a_server_without_it_is_told_apart() -> None:
    """https:// where http:// was meant."""

    async def plain(connection: Connection) -> None:
        await connection.reader.read(10)
        await connection.send(response(400))

    async with serving(plain) as server:
        spec = server.spec(baseURL=f"https://127.0.0.1:{server.port}")
        async with client_of(spec) as client:
            with pytest.raises(ProviderUnusable, match="speaks no TLS") as raised:
                await client.get("/")

    assert raised.value.reason == "InvalidProvider"


async def test_tls_that_breaks_off_is_unavailable(pki: Pki) -> None:
    """As a server does while it restarts."""
    context = pki.context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")  # none that a client takes today
    async with serving(answer_all, context) as server, client_of(server.spec()) as client:
        with pytest.raises(ProviderUnreachable, match="no TLS connection to"):
            await client.get("/")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx2.ConnectTimeout("x"), ProviderUnreachable),
        (httpx2.ReadTimeout("x"), InferenceTimeout),
        (httpx2.WriteTimeout("x"), InferenceTimeout),
        (httpx2.ConnectError("x"), ProviderUnreachable),
        (httpx2.ReadError("x"), ProviderUnavailable),
        (httpx2.WriteError("x"), ProviderUnavailable),
        (httpx2.CloseError("x"), ProviderUnavailable),
        (httpx2.RemoteProtocolError("x"), ProviderUnavailable),
        (httpx2.LocalProtocolError("x"), ProviderUnusable),
        (httpx2.ProxyError("x"), ProviderUnreachable),
        (httpx2.UnsupportedProtocol("x"), ProviderUnusable),
        (httpx2.DecodingError("x"), InvalidAnswer),
        (httpx2.InvalidURL("x"), ProviderUnusable),
        (OSError("x"), ProviderUnavailable),
    ],
)
async def test_every_failure_is_translated(error: Exception, kind: type[CapscanError]) -> None:
    """Nothing of httpx2 gets further than this."""

    def fail(_: httpx2.Request) -> httpx2.Response:
        raise error

    spec = ProviderSpec.model_validate({"protocol": "OpenAI", "model": "m"})
    client = open_http(spec, DEFAULT, {}, httpx2.MockTransport(fail))
    with pytest.raises(CapscanError) as raised:
        await client.get("/")

    assert type(raised.value) is kind


@pytest.mark.parametrize("address", ["http://10.0.0.256/v1", "http://xn--kva.a_b", ""])
@pytest.mark.parametrize("error", [httpx2.InvalidURL("x"), socket.gaierror("x"), OSError("x")])
def test_no_address_keeps_an_error_from_being_translated(error: Exception, address: str) -> None:
    """It may be what the error is about."""
    assert isinstance(translated(error, address), CapscanError)
