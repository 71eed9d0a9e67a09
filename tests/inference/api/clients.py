"""HttpClients to a server on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from capscan.core.errors import CapscanError
from capscan.inference.api.http import HttpClient, open_http
from capscan.model.provider import ProviderSpec
from tests.inference.api.loopback import Serve, serving

DEFAULT = "https://unused.invalid"


@asynccontextmanager
async def client_of(spec: ProviderSpec) -> AsyncIterator[HttpClient]:
    client = open_http(spec, DEFAULT, {"authorization": "Bearer secret"})
    try:
        yield client
    finally:
        await client.aclose()


async def failure(serve: Serve, **options: object) -> CapscanError:
    """Return what one POST raises."""
    async with serving(serve) as server, client_of(server.spec(**options)) as client:
        with pytest.raises(CapscanError) as raised:
            await client.post("/x", {})
    return raised.value
