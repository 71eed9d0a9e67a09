"""A loopback API server for each test, in real time: its pauses are the client's shortest."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from capscan.kube.client import KubeClient
from tests.kube.apiserver import ApiServer, serving

Api = tuple[ApiServer, KubeClient]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """The server and its client."""
    async with serving(tmp_path) as both:
        yield both
