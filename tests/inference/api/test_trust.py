"""Who is trusted. That a handshake goes by it is in test_http."""

import base64
import ssl

import pytest

from capscan.core.errors import ProviderUnusable
from capscan.inference.api.trust import CERTIFICATES_MAX, bundle_sha256, trust


@pytest.mark.parametrize(
    "bundle",
    [
        "-----BEGIN CERTIFICATE-----",
        base64.b64encode(b"no certificate").decode(),
        base64.b64encode(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----").decode(),
        base64.b64encode("é".encode()).decode(),
        base64.b64encode(b"").decode() + " ",
    ],
)
def test_the_error_for_an_invalid_bundle_names_the_field(bundle: str) -> None:
    """It tells the command that makes a valid one."""
    with pytest.raises(ProviderUnusable, match=r"caBundle holds no certificate.*base64 -w0"):
        trust(bundle)


def test_without_a_bundle_the_system_is_trusted() -> None:
    """All providers share one context."""
    context = trust("", "https://api.example.com", None)

    assert context is trust("", "https://other.example.com", None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_without_tls_nobody_is_trusted() -> None:
    """There reading the system's certificates would be in vain."""
    context = trust("", "http://ollama.ai.svc", "http://proxy:3128")

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509"] == 0


def test_a_proxy_may_ask_for_tls_too() -> None:
    context = trust("", "http://ollama.ai.svc", "https://proxy:3129")

    assert context is trust("", "HTTPS://api.example.com")


def test_a_private_key_in_the_bundle_is_refused() -> None:
    """Everybody who may read providers could read it."""
    pem = b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"
    with pytest.raises(ProviderUnusable, match=r"caBundle holds a private key.*make another one"):
        trust(base64.b64encode(pem).decode())


def test_a_bundle_has_not_more_certificates_than_can_be_read_in_a_moment() -> None:
    """Each of them is parsed on the event loop."""
    pem = b"-----BEGIN CERTIFICATE-----\n" * (CERTIFICATES_MAX + 1)
    with pytest.raises(ProviderUnusable, match=f"more than {CERTIFICATES_MAX} certificates"):
        trust(base64.b64encode(pem).decode())


def test_a_bundle_is_named_by_what_sha256sum_prints() -> None:
    """Line breaks in the base64 change nothing."""
    assert bundle_sha256("YWJj") == bundle_sha256("YW\nJj ")
    assert bundle_sha256("YWJj").startswith("ba7816bf8f01cfea414140de5dae2223")
    with pytest.raises(ProviderUnusable, match="caBundle holds no certificate"):
        bundle_sha256("?")
