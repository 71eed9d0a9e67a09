"""Translates what httpx2 raises into capscan's own errors: the only place that knows both."""

import socket
import ssl
from typing import TypeVar

import httpx2

from capscan.core.errors import (
    CapscanError,
    InferenceTimeout,
    InvalidAnswer,
    ProviderUnavailable,
    ProviderUnreachable,
    ProviderUnusable,
)
from capscan.inference.api.address import INVALID
from capscan.inference.api.quoting import quoted

E = TypeVar("E", bound=BaseException)

_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
"""The reasons that OpenSSL gives for plain text where it expects a handshake."""


def translated(error: Exception, base_url: str, secret: str = "") -> CapscanError:
    """Return an InferenceError, or ProviderUnusable where only an administrator can mend it.

    Errors quote what a server sent, and it may have sent the key back: `secret` is not shown.
    """

    def said() -> str:
        return quoted(str(error) or type(error).__name__, secret)

    # The address is not parsed: that it could not be may be the very error.
    host = base_url.partition("://")[2].partition("/")[0]
    if _caused_by(error, socket.gaierror):
        return ProviderUnreachable(f"the name {host.partition(':')[0]} cannot be resolved")
    if tls := _caused_by(error, ssl.SSLError):
        return _of_tls(tls, host)
    match error:
        case httpx2.ConnectTimeout():
            found: CapscanError = ProviderUnreachable(f"no connection to {host} in time")
        case httpx2.TimeoutException():
            found = InferenceTimeout(f"{host} did not answer in time")
        case httpx2.ConnectError():
            found = ProviderUnreachable(f"{host} cannot be reached: {said()}")
        case httpx2.ProxyError():
            found = ProviderUnreachable(f"the proxy of spec.proxyURL says no: {said()}")
        case httpx2.DecodingError():
            found = InvalidAnswer(f"the reply of {host} cannot be decompressed")
        case httpx2.InvalidURL() | httpx2.UnsupportedProtocol() | httpx2.LocalProtocolError():
            found = ProviderUnusable(INVALID, f"no request can be made of it: {said()}")
        case _:
            found = ProviderUnavailable(f"the connection to {host} broke: {said()}")
    return found


def _of_tls(error: ssl.SSLError, host: str) -> CapscanError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ProviderUnusable(
            "UntrustedCertificate",
            f"the certificate of {host} is not trusted: {error.verify_message}. Put the CA that "
            "signed it into spec.caBundle, and use the name it was made for in spec.baseURL",
        )
    if error.reason in _NO_TLS:
        return ProviderUnusable(INVALID, f"{host} speaks no TLS: is spec.baseURL http://?")
    return ProviderUnreachable(f"no TLS connection to {host}: {error.reason}")


def _caused_by(error: BaseException, kind: type[E]) -> E | None:
    """Return the first error of this kind among the causes; httpcore2 keeps some as contexts."""
    below: BaseException | None = error
    while below is not None and not isinstance(below, kind):
        if isinstance(below, ExceptionGroup):
            below = below.exceptions[0]
        else:
            below = below.__cause__ or below.__context__
    return below
