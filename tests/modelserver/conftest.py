"""The fake's own tests are in real time: it is sockets that they are about."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
