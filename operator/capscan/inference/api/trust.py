"""Which certificates a provider may show."""

import base64
import ssl
from functools import cache

import httpx2

from capscan.core.errors import ProviderUnusable
from capscan.inference.api.address import INVALID


def trust(ca_bundle: str, *urls: str | None) -> ssl.SSLContext:
    """Trusts the certificates in base64 PEM alone; where there are none, those that the system
    trusts; and nobody where none of the URLs asks for TLS.

    Raises ProviderUnusable.
    """
    if ca_bundle:
        return _bundled(ca_bundle)
    if any(url and url.lower().startswith("https:") for url in urls):
        return _system()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _system() -> ssl.SSLContext:
    """One for all providers: it takes 50 ms and 3 MiB."""
    return httpx2.create_ssl_context(trust_env=False)


def _bundled(ca_bundle: str) -> ssl.SSLContext:
    try:
        pem = base64.b64decode("".join(ca_bundle.split()), validate=True).decode("ascii")
        if not pem.strip():  # Python would take that for the system's
            raise ValueError("empty")
        return ssl.create_default_context(cadata=pem)
    except (ValueError, ssl.SSLError) as error:
        raise ProviderUnusable(
            INVALID,
            "spec.caBundle holds no certificate: it takes PEM in base64, as "
            "`base64 -w0 < ca.crt` prints it",
        ) from error
