"""HttpClient over TLS: which certificates are trusted, and what is told of others."""

import base64
import ssl
import subprocess
from pathlib import Path

import pytest

from capscan.core.errors import ProviderUnreachable, ProviderUnusable
from tests.inference.api.clients import client_of
from tests.inference.api.loopback import Connection, answer_all, response, serving

pytestmark = pytest.mark.anyio


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


async def test_a_certificate_for_another_name_has_its_own_message(pki: Pki) -> None:
    """Here the bundle is right, and the name is not."""
    async with serving(answer_all, pki.context()) as server:
        spec = server.spec(caBundle=pki.bundle(), baseURL=f"https://localhost:{server.port}/v1")
        async with client_of(spec) as client:
            with pytest.raises(ProviderUnusable, match="Hostname mismatch") as raised:
                await client.get("/")

    assert raised.value.reason == "UntrustedCertificate"


async def test_https_to_a_server_without_tls_has_its_own_message() -> None:
    """The spec says https:// where http:// was meant."""

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
    """A server breaks off like this while it restarts."""
    context = pki.context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")  # none that a client takes today
    async with serving(answer_all, context) as server, client_of(server.spec()) as client:
        with pytest.raises(ProviderUnreachable, match="no TLS connection to"):
            await client.get("/")
