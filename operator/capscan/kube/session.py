"""Opens sessions of HTTP to the API server: the same way for capscan's own client and for kopf.

A session takes nothing from the environment: neither a proxy, which is chosen by kubectl's rules
before, nor a ~/.netrc.
"""

import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from aiohttp.client_middlewares import ClientMiddlewareType

from capscan.core.kube_errors import NoCluster
from capscan.kube.credentials import Credentials

USER_AGENT = "capscan"


def tls_of(credentials: Credentials) -> ssl.SSLContext:
    """Return how the server's certificate is checked, and with which certificate the client
    answers. Raises NoCluster over certificates that cannot be used.
    """
    try:
        context = ssl.create_default_context(cadata=_ascii(credentials.ca))
        # Newer versions of Python refuse certificates of CAs that Go and so kubectl take.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if credentials.certificate:
            with tempfile.TemporaryDirectory() as folder:
                certificate, key = Path(folder) / "certificate", Path(folder) / "key"
                certificate.write_text(credentials.certificate[0])
                key.write_text(credentials.certificate[1])
                context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise NoCluster(f"the certificates of the kubeconfig cannot be used: {error}") from error
    if credentials.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def open_session(
    credentials: Credentials,
    tls: ssl.SSLContext,
    middlewares: Sequence[ClientMiddlewareType] = (),
) -> aiohttp.ClientSession:
    """Open a session on the running event loop. It does not say who the user is, unless it acts as
    somebody else: `authorization` changes from request to request.
    """
    headers = [("User-Agent", USER_AGENT), *credentials.impersonation]

    async def with_server_name(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        request.server_hostname = credentials.server_name
        return await send(request)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls),  # the engine bounds what is in flight
        headers=headers,
        proxy=credentials.proxy,
        trust_env=False,
        read_bufsize=2**21,
        middlewares=(with_server_name, *middlewares),
    )


def _ascii(pem: str | None) -> str | None:
    return pem and pem.encode("ascii", errors="replace").decode()


def _no_password() -> str:
    raise ValueError("the client key is encrypted; write one that is not")
