"""The stores, each clean; the real one with capscan's kinds installed."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from capscan.kube.client import KubeClient
from tests.kubectl import Kubectl
from tests.store.harness import Case, connected, in_memory, on_the_cluster

ROOT = Path(__file__).parents[2]


COLLECTION = "/apis/capscan.dev/v1alpha1/capabilities"
"""Deleted in one request: `kubectl delete --all` has one for each of the thousands that other tests
leave."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def installed(kubectl: Kubectl) -> Kubectl:
    """kubectl for a cluster that has capscan's kinds."""
    kubectl("apply", "-k", str(ROOT / "crds"))
    kubectl("wait", "--for=condition=Established", "crd/capabilities.capscan.dev")
    return kubectl


@pytest.fixture
def emptied(installed: Kubectl) -> Iterator[Kubectl]:
    """The same kubectl, with all Capabilities deleted before the test and after it."""
    installed("delete", "--raw", COLLECTION)
    yield installed
    installed("delete", "--raw", COLLECTION)


@pytest.fixture
async def client(emptied: Kubectl) -> AsyncIterator[KubeClient]:
    """A client of the real API server."""
    client = await connected(emptied)
    yield client
    await client.close()


@pytest.fixture
def fake() -> Case:
    """The store in memory."""
    return in_memory()


@pytest.fixture
def real(client: KubeClient, emptied: Kubectl) -> Case:
    """Capability objects on a real API server."""
    return on_the_cluster(client, emptied)


@pytest.fixture(params=["fake", "real"])
def case(request: pytest.FixtureRequest) -> Case:
    """Each store in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Case)
    return found
