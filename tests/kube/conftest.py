"""A loopback API server for each test, in real time: its pauses are the client's shortest."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from capscan.kube.client import KubeClient
from capscan.kube.kinds import scan_status
from capscan.model import CapabilityScan
from tests.kube.apiserver import ApiServer, serving
from tests.kube.stored_scan import Scan, Writer

Api = tuple[ApiServer, KubeClient]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """The server and its client."""
    async with serving(tmp_path) as both:
        yield both


@pytest.fixture
def scan(api: Api) -> Scan:
    """The scan that the server has."""
    api[0].handler = one = Scan({"observedGeneration": -1})
    return one


@pytest.fixture
def writer(api: Api, scan: Scan) -> Writer:
    """A writer that has seen it."""
    return scan_status(api[1], CapabilityScan.from_wire(scan.body))
