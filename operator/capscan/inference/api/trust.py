"""Decides which certificates a provider may show."""

import base64
import ssl
from functools import cache

import httpx2

from capscan.core.errors import ProviderUnusable
from capscan.inference.api.address import INVALID


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


@cache
def _system() -> ssl.SSLContext:
    """Return the one context for all providers: making it takes 50 ms and 3 MiB."""
    return httpx2.create_ssl_context(trust_env=False)


def _bundled(ca_bundle: str) -> ssl.SSLContext:
    try:
        pem = base64.b64decode("".join(ca_bundle.split()), validate=True).decode("ascii")
        if not pem.strip():  # for which Python would trust whom the system trusts
            raise ValueError("empty")
        return ssl.create_default_context(cadata=pem)
    except (ValueError, ssl.SSLError) as error:
        raise ProviderUnusable(
            INVALID,
            "spec.caBundle holds no certificate: it takes PEM in base64, as "
            "`base64 -w0 < ca.crt` prints it",
        ) from error
