"""Decides which certificates a provider may show."""

import base64
import hashlib
import ssl
from functools import cache

import httpx2

from capscan.core.errors import ProviderUnusable
from capscan.inference.api.address import INVALID

CERTIFICATES_MAX = 200
"""The bundles of whole systems have some 150, and reading a certificate takes 0.4 ms."""
_BEGIN = "-----BEGIN "


def trust(ca_bundle: str, *urls: str | None) -> ssl.SSLContext:
    """Return a context that trusts the certificates in `ca_bundle` (PEM in base64) alone.

    Without a bundle it trusts those that the system trusts, and nobody where none of the URLs asks
    for TLS. Raises ProviderUnusable.
    """
    if ca_bundle:
        return _bundled(ca_bundle)
    if any(url and url.lower().startswith("https:") for url in urls):
        return _system()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def bundle_sha256(ca_bundle: str) -> str:
    """Return the SHA-256 of the PEM in `ca_bundle`, as sha256sum(1) prints it.

    Raises ProviderUnusable.
    """
    try:
        return hashlib.sha256(_pem(ca_bundle)).hexdigest()
    except ValueError as error:
        raise _no_certificate() from error


@cache
def _system() -> ssl.SSLContext:
    """Return the one context for all providers: making it takes 50 ms and 3 MiB."""
    return httpx2.create_ssl_context(trust_env=False)


def _bundled(ca_bundle: str) -> ssl.SSLContext:
    try:
        pem = _pem(ca_bundle).decode("ascii")
        if not pem.strip():  # for which Python would trust whom the system trusts
            raise ValueError("empty")
        if "PRIVATE KEY" in pem:
            raise ProviderUnusable(
                INVALID,
                "spec.caBundle holds a private key, which everybody who may read "
                "InferenceProviders can see: make another one, and put the certificate alone there",
            )
        if pem.count(_BEGIN) > CERTIFICATES_MAX:
            raise ProviderUnusable(
                INVALID,
                f"spec.caBundle holds more than {CERTIFICATES_MAX} certificates: put those alone "
                "there that signed the provider's",
            )
        return ssl.create_default_context(cadata=pem)
    except (ValueError, ssl.SSLError) as error:
        raise _no_certificate() from error


def _pem(ca_bundle: str) -> bytes:
    return base64.b64decode("".join(ca_bundle.split()), validate=True)


def _no_certificate() -> ProviderUnusable:
    return ProviderUnusable(
        INVALID,
        "spec.caBundle holds no certificate: it takes PEM in base64, as "
        "`base64 -w0 < ca.crt` prints it",
    )
