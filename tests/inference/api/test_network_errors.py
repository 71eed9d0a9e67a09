"""What goes wrong on the way to a provider, in capscan's words."""

import socket

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
from capscan.inference.api.http import open_http
from capscan.inference.api.network_errors import translated
from capscan.model.provider import ProviderSpec
from tests.inference.api.clients import DEFAULT, client_of, failure
from tests.inference.api.loopback import Connection

pytestmark = pytest.mark.anyio


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
    """No error of httpx2 gets any further."""

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
    """The error may be about the address itself."""
    assert isinstance(translated(error, address), CapscanError)


async def test_nobody_listening_is_unavailable() -> None:
    """The error names the address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    spec = ProviderSpec.model_validate(
        {"protocol": "OpenAI", "model": "m", "baseURL": f"http://127.0.0.1:{port}"}
    )
    async with client_of(spec) as client:
        with pytest.raises(ProviderUnreachable, match=rf"127\.0\.0\.1:{port} cannot be reached"):
            await client.get("/")


async def test_a_name_that_cannot_be_resolved_is_unreachable_and_named() -> None:
    """A typing error is seen at once, and an outage of DNS passes."""
    spec = ProviderSpec.model_validate(
        {"protocol": "OpenAI", "model": "m", "baseURL": "http://no-such-host.invalid/v1"}
    )
    async with client_of(spec) as client:
        with pytest.raises(ProviderUnreachable, match=r"the name no-such-host\.invalid cannot"):
            await client.get("/")


async def test_a_server_that_speaks_no_http_is_unavailable() -> None:
    """The port belongs to something else."""

    async def ssh(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"SSH-2.0-OpenSSH_9.6\r\n")

    assert isinstance(await failure(ssh), ProviderUnavailable)
