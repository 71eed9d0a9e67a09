"""Capabilities belong to their CRDs: with a garbage collector they go together."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from capscan.localplane.console import Console
from capscan.localplane.plane import Plane
from tests.installation import account_kubeconfig, install
from tests.kubectl import Kubectl
from tests.operator.cluster import Cluster
from tests.operator.process import Operator
from tests.operator.waiting import until


@pytest.fixture
def own_plane(tmp_path: Path) -> Iterator[Plane]:
    """A control plane whose garbage collector knows capscan's kinds from its start."""
    plane = Plane(tmp_path / "plane", Console(io.StringIO()))
    try:
        info = plane.up()
        install(Kubectl(info.kubectl, info.kubeconfig))
        plane.up(gc=True)
        yield plane
    finally:
        plane.down()


def test_a_capability_goes_with_its_crd_and_stays_with_a_narrower_selector(
    own_plane: Plane, tmp_path: Path
) -> None:
    info = own_plane.info()
    kubectl = Kubectl(info.kubectl, info.kubeconfig)
    operator = Operator(account_kubeconfig(kubectl, tmp_path), tmp_path)
    operator.start()
    try:
        with Cluster(kubectl, "gc.example.com") as cluster:
            names = cluster.create_crds(3)
            scan = cluster.apply_scan()
            cluster.until_phase(scan, "Completed")

            kubectl("delete", "crd", names[0])
            until(cluster.capabilities, lambda found: names[0] not in found, "a collected one")
            cluster.patch(scan, {"selector": {"include": [names[1]]}})
            cluster.until(scan, lambda s: s["progress"]["summary"] == "1/1", "the narrower run")

            assert sorted(cluster.capabilities()) == names[1:]
    finally:
        operator.close()
