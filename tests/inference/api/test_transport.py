"""ProviderTransport's look at its peers; what it does about stale connections is in test_http."""

from typing import Any

import pytest

from capscan.core.errors import ProviderUnusable
from capscan.inference.api.transport import RequestTrace

pytestmark = pytest.mark.anyio


class Stream:
    """A connection to this address that stands."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.closed = False

    def get_extra_info(self, name: str) -> Any:
        return {"server_addr": (self.peer, 80)}[name]

    async def aclose(self) -> None:
        self.closed = True


async def test_a_name_that_leads_to_a_metadata_service_is_refused() -> None:
    """Whatever DNS says, and whenever it begins to say so: before a byte is sent."""
    stream = Stream("169.254.169.254")
    with pytest.raises(ProviderUnusable, match=r"models\.example\.com \(169\.254\.169\.254\)"):
        await RequestTrace("models.example.com").trace(
            "connection.connect_tcp.complete", {"return_value": stream}
        )

    assert stream.closed


async def test_a_proxy_that_is_a_metadata_service_is_refused() -> None:
    """The error names the field that leads there."""
    seen = RequestTrace("proxy.example.com", "spec.proxyURL")
    with pytest.raises(ProviderUnusable, match=r"proxy\.example\.com .*another in spec\.proxyURL"):
        await seen.trace(
            "connection.connect_tcp.complete", {"return_value": Stream("fd00:ec2::23")}
        )


async def test_other_peers_are_connected_to() -> None:
    """It is known then that the connection is new."""
    stream, seen = Stream("10.0.0.7"), RequestTrace("models.example.com")
    await seen.trace("connection.connect_tcp.complete", {"return_value": stream})

    assert (stream.closed, seen.fresh) == (False, True)
