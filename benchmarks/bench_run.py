"""One run of 125 CRDs through a real API server: ten at a time beside one at a time.

The provider answers after exactly 0.5 s, so the bound is items x latency / parallelism. Requests
are counted by a proxy between the operator and the API server, and memory is read from the
operator's own process.
"""

import io
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kubectl import Kubectl
from tests.operator.cluster import Cluster
from tests.operator.conftest import account_kubeconfig, install
from tests.operator.process import Operator
from tests.proxy import CountingProxy, Request

from benchmarks.figures import Figure
from capscan.localplane.console import Console
from capscan.localplane.plane import Plane

ITEMS = 125
LATENCY_S = 0.5
PARALLELISM = 10
INTERVAL_S = 2.0
STATUS = Request("PATCH", "capabilityscans/{name}/status")


def measure() -> list[Figure]:
    """Both runs, on one control plane."""
    with tempfile.TemporaryDirectory() as folder, _cluster(Path(folder)) as cluster:
        cluster.create_crds(ITEMS)
        slow, _, _ = _run(cluster, Path(folder), parallelism=1)
        fast, writes, rss_mib = _run(cluster, Path(folder), parallelism=PARALLELISM)
    bound = ITEMS * LATENCY_S / PARALLELISM
    return [
        Figure("one at a time", slow, "s"),
        Figure("ten at a time", fast, "s"),
        Figure("speed-up over one at a time", slow / fast, "x", 8, at_least=True),
        Figure("ten at a time / bound", fast / bound, "x", 1.15),
        Figure("status writes", writes, "requests", fast / INTERVAL_S + 6),
        Figure("operator's RSS at the end", rss_mib, "MiB", 110),
    ]


@contextmanager
def _cluster(folder: Path) -> Iterator[Cluster]:
    plane = Plane(folder / "plane", Console(io.StringIO()))
    try:
        info = plane.up()
        kubectl = Kubectl(info.kubectl, info.kubeconfig)
        install(kubectl)
        yield Cluster(kubectl, "bench.example.com")
    finally:
        plane.down()


def _run(cluster: Cluster, folder: Path, parallelism: int) -> tuple[float, int, float]:
    """(seconds, status writes, MiB) of one run that asks about everything."""
    with CountingProxy(account_kubeconfig(cluster.kubectl, folder)) as proxy:
        operator = Operator(proxy.write_kubeconfig(folder / "proxy.kubeconfig"), folder)
        operator.start(latency=LATENCY_S)
        try:
            scan = cluster.apply_scan(
                f"by-{parallelism}",
                parallelism=parallelism,
                refresh="Always",
                progressInterval=f"{INTERVAL_S:g}s",
                suspend=True,
            )
            # Held first, so that the start of the operator is not part of what is compared.
            cluster.until_phase(scan, "Suspended")
            proxy.reset()
            began = time.monotonic()
            cluster.patch(scan, {"suspend": False})
            # One waiting kubectl: a polling one would compete for the processor.
            cluster.wait(scan, timeout_s=300)
            took_s = time.monotonic() - began
            return took_s, proxy.counts[STATUS], _rss_mib(operator.pid)
        finally:
            operator.close()


def _rss_mib(pid: int) -> float:
    (line,) = (
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )
    return int(line.split()[1]) / 1024
