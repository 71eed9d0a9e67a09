"""The watch of CRDs against a real API server."""

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest

from capscan.kube.client import KubeClient
from capscan.kube.config import ClusterSettings
from capscan.localplane.plane import Plane
from tests.builders import crd
from tests.kube.watched import Told, watching
from tests.kubectl import Kubectl

pytestmark = pytest.mark.anyio


async def test_a_watch_that_is_left_keeps_no_socket(plane: Plane) -> None:
    """It does not wait until the API server agrees to the end of TLS: the loop may have ended by
    then.
    """
    before = open_files()
    client = KubeClient(ClusterSettings(kubeconfig=str(plane.info().kubeconfig)))
    await client.connect()
    async with aclosing(client.watch_metadata("/api/v1/namespaces", "0")) as found:
        await anext(found)
        assert open_files() > before

    await client.close()
    await anyio.lowlevel.checkpoint()

    assert open_files() == before


def open_files() -> int:
    """Return how many files this process has open, sockets among them."""
    return len(list(Path("/dev/fd").iterdir()))


async def test_changes_on_a_real_api_server_are_told(plane: Plane, kubectl: Kubectl) -> None:
    """A CRD is added, labelled, changed and removed; a change of its status alone is not told."""
    client = KubeClient(ClusterSettings(kubeconfig=str(plane.info().kubeconfig)))
    await client.connect()
    try:
        async with watching(client) as told:
            await _settled(told, 1)
            body = crd("watches", group="watched.example.com")
            name = body["metadata"]["name"]
            await _kubectl(kubectl, "apply", "-f", "-", input=json.dumps(body))
            await _kubectl(kubectl, "wait", "--for=condition=Established", f"crd/{name}")
            await _settled(told, 2)
            await _kubectl(kubectl, "label", "crd", name, "team=db")
            await _settled(told, 3)
            body["spec"]["names"]["shortNames"] = ["wtch"]
            await _kubectl(kubectl, "apply", "-f", "-", input=json.dumps(body))
            await _settled(told, 4)
            await _kubectl(kubectl, "delete", "crd", name)
            with anyio.fail_after(10):
                while told.times < 5:  # noqa: ASYNC110
                    await anyio.sleep(0.05)
    finally:
        await client.close()


async def _kubectl(kubectl: Kubectl, *args: str, **options: Any) -> None:
    await anyio.to_thread.run_sync(lambda: kubectl(*args, **options))


async def _settled(told: Told, times: int) -> None:
    with anyio.fail_after(10):
        while told.times < times:  # noqa: ASYNC110
            await anyio.sleep(0.05)
    await anyio.sleep(0.3)
    assert told.times == times
