"""What a CRD that was written to stop the operator costs the others.

A hundred CRDs are scanned by the operator with a model that answers after half a second, first
alone and then with a hostile one of 1.4 MB among them; of three runs the fastest counts. The lag of
the event loop is how long /livez took to answer at the most; it is asked 200 times a second.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import hostile_crd
from tests.installation import account_kubeconfig
from tests.operator.cluster import Cluster, settled
from tests.operator.probing import Probing
from tests.operator.process import Operator

from benchmarks.bench_engine import cluster_in
from benchmarks.figures import Figure
from benchmarks.memory import rss_mib
from capscan.localplane.servers import free_ports

ITEMS = 99
LATENCY_S = 0.5
PARALLELISM = 10
ROUNDS = 3
RUN_TIMEOUT_S = 120.0
LAG_S_MAX = 0.25


@dataclass(frozen=True)
class Measured:
    """One run."""

    took_s: float
    """Until the CRDs that are not hostile were settled."""
    completed: int
    lag_s: float
    unanswered: int
    main_mib: float
    workers_mib: float


def measure() -> Iterator[Figure]:
    """Measure both runs on one control plane."""
    with tempfile.TemporaryDirectory() as name, cluster_in(Path(name)) as cluster:
        folder = Path(name)
        cluster.create_crds(ITEMS)
        alone = min((_run(cluster, folder, ITEMS) for _ in range(ROUNDS)), key=_took_s)
        bomb = folder / "bomb.json"
        bomb.write_text(json.dumps(hostile_crd(cluster.group)))
        cluster.kubectl("create", "--validate=false", "-f", str(bomb), timeout_s=60)
        runs = [_run(cluster, folder, ITEMS + 1) for _ in range(ROUNDS)]
        beside = min(runs, key=_took_s)
    yield Figure("99 CRDs alone", alone.took_s, "s")
    yield Figure("99 CRDs beside a hostile one", beside.took_s, "s")
    yield Figure("  beside / alone", beside.took_s / alone.took_s, "x", 1.2)
    yield Figure("completed", beside.completed, "CRDs", ITEMS + 1, at_least=True)
    yield Figure("lag of the loop, alone", alone.lag_s * 1000, "ms")
    yield Figure(
        "lag of the loop, beside it", max(r.lag_s for r in runs) * 1000, "ms", LAG_S_MAX * 1000
    )
    yield Figure("probes without an answer", sum(r.unanswered for r in runs), "probes", 0)
    yield Figure("RSS of the operator", beside.main_mib, "MiB", 128)
    yield Figure("RSS with its workers", beside.main_mib + beside.workers_mib, "MiB", 300)


def _took_s(run: Measured) -> float:
    return run.took_s


def _run(cluster: Cluster, folder: Path, items: int) -> Measured:
    operator = Operator(account_kubeconfig(cluster.kubectl, folder), folder)
    port = next(iter(free_ports()))
    operator.start(latency=LATENCY_S, probe_port=port)
    try:
        scan = cluster.apply_scan(refresh="Always", suspend=True, parallelism=PARALLELISM)
        cluster.until_phase(scan, "Suspended")
        with Probing(port) as probing:
            began_s = time.monotonic()
            cluster.patch(scan, {"suspend": False})
            cluster.until(scan, lambda s: settled(s) >= ITEMS, "99 settled", RUN_TIMEOUT_S)
            took_s = time.monotonic() - began_s
            done = cluster.until_phase(scan, "Completed", timeout_s=RUN_TIMEOUT_S)
            tasks = Path(f"/proc/{operator.pid}/task").glob("*/children")
            workers = [pid for task in tasks for pid in task.read_text().split()]
            main_mib = rss_mib(Path(f"/proc/{operator.pid}"))
            workers_mib = sum(rss_mib(Path(f"/proc/{pid}")) for pid in workers)
        assert settled(done) == items
        return Measured(
            took_s,
            done["progress"]["completed"],
            probing.slowest_s,
            sum(status != 200 for status, _ in probing.answers),
            main_mib,
            workers_mib,
        )
    finally:
        operator.close()
        cluster.remove()
