"""A CRD that was written to stop the operator meets the operator itself."""

import json
import sys
from pathlib import Path

import pytest

from capscan.localplane.servers import free_ports
from tests.hostile import hostile_crd
from tests.operator.cluster import Cluster
from tests.operator.probing import TIMEOUT_S, Probing
from tests.operator.process import Operator
from tests.operator.waiting import until

COMMAND = (sys.executable, "-m", "capscan", "operator")


def children(pid: int) -> set[int]:
    """Return the ids of the processes that this one has started and that still run."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


@pytest.mark.slow
def test_a_hostile_crd_holds_up_neither_the_others_nor_the_probes(
    cluster: Cluster, operator: Operator, tmp_path: Path
) -> None:
    """It is analysed like the others, and what is stored about it is safe to print."""
    names = cluster.create_crds(20)
    bomb = tmp_path / "bomb.json"
    bomb.write_text(json.dumps(hostile_crd(cluster.group)))
    cluster.kubectl("create", "--validate=false", "-f", str(bomb), timeout_s=60)
    port = next(iter(free_ports()))
    operator.spawn([*COMMAND, "--kubeconfig", str(operator.kubeconfig), "--probe-port", str(port)])
    operator.until_logged("watching capabilityscans")

    with Probing(port) as probing:
        scan = cluster.apply_scan()
        status = cluster.until_phase(scan, "Completed", "CompletedWithFailures")
        workers = children(operator.pid)

    assert status["progress"]["summary"] == "21/21"
    assert status["progress"]["failed"] == 0
    assert probing.statuses == {200}
    assert probing.slowest_s < TIMEOUT_S
    capabilities = cluster.capabilities()
    assert sorted(capabilities) == sorted([*names, f"bombs.{cluster.group}"])
    assert json.dumps(capabilities, ensure_ascii=False).isprintable()
    assert len(workers) == 1
    operator.stop()
    until(lambda: {pid for pid in workers if Path(f"/proc/{pid}").exists()}, lambda p: not p, "end")
