"""What the status is worth while others write it too, and how fast it tells.

A storm is 16 other controllers, 20 writes a second together: about as much as etcd on a small
machine takes of one object, or a little more. In a flood each of them alone tries as often, and
what etcd takes is the bound: it has no target but that nothing is lost or wrong.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fakes import failed_item, run
from tests.installation import account_kubeconfig
from tests.operator.api import SCANS, Api, Json, Storm, Watch, ended, says
from tests.operator.cluster import Cluster, settled
from tests.operator.process import Operator
from tests.versions import flaws
from tests.virtual import EPOCH

from benchmarks.bench_engine import cluster_in
from benchmarks.figures import Figure
from capscan.core.run.lifecycle import Handled
from capscan.core.run.progress import Tally
from capscan.core.status.rendering import Live, render
from capscan.core.status.state import ScanState
from capscan.model import Phase, ScanStatus
from capscan.model.scan_status import FAILED_ITEMS_MAX

ITEMS = 125
LATENCY_S = 0.5
PARALLELISM = 10
INTERVAL_S = 1.0
WRITERS = 16
STORM_PER_S = 20 / WRITERS
FLOOD_PER_S = 20.0
ROUNDS = 3
LARGE, LARGE_FAILED = 4421, 2000
EDITS = 200
WAIT_EVERY = 10
RUN_TIMEOUT_S = 120.0
NAME = "k" * 63 + "." + "g" * 63 + "." + "g" * 63 + "." + "g" * 60
"""As long as the name of a CRD gets."""


@dataclass(frozen=True)
class Measured:
    """One run, as a watcher saw it."""

    took_s: float
    lost: int
    """Items that were answered and are missing in the status."""
    wrong: int
    lags_s: list[float]
    """From the answer about an item to a status that counts it."""
    foreign: int


def measure() -> Iterator[Figure]:
    """Measure everything on one control plane."""
    with tempfile.TemporaryDirectory() as name, cluster_in(Path(name)) as cluster:
        folder = Path(name)
        cluster.create_crds(ITEMS)
        yield from _storms(cluster, folder)
        yield from _size(cluster)
        yield from _waits(cluster, folder)


def _storms(cluster: Cluster, folder: Path) -> Iterator[Figure]:
    calm, storm = [], []
    for _ in range(ROUNDS):
        calm.append(_run(cluster, folder))
        storm.append(_run(cluster, folder, WRITERS, STORM_PER_S))
    flood = _run(cluster, folder, WRITERS, FLOOD_PER_S)
    calm_s = statistics.median(run.took_s for run in calm)
    storm_s = statistics.median(run.took_s for run in storm)
    per_s = statistics.median(run.foreign / run.took_s for run in storm)
    yield Figure("calm run of 125", calm_s, "s")
    yield Figure("foreign writes in the storm", per_s, "1/s")
    yield Figure("makespan, storm / calm", storm_s / calm_s, "x", 1.05)
    yield Figure("  lost updates", sum(run.lost for run in storm), "items", 0)
    yield Figure("  wrong versions", sum(run.wrong for run in storm), "versions", 0)
    yield Figure("foreign writes in the flood", flood.foreign / flood.took_s, "1/s")
    yield Figure("makespan, flood / calm", flood.took_s / calm_s, "x")
    yield Figure("  lost updates", flood.lost, "items", 0)
    yield Figure("  wrong versions", flood.wrong, "versions", 0)
    for name, runs in (("calm", calm), ("storm", storm)):
        lags_s = sorted(lag for run in runs for lag in run.lags_s)
        p95_s = statistics.quantiles(lags_s, n=20)[-1]
        yield Figure(f"answer to status, p95, {name}", p95_s, "s", INTERVAL_S + 0.5)


def _run(cluster: Cluster, folder: Path, writers: int = 0, per_s: float = 1.0) -> Measured:
    """Measure one run by a fresh operator, from an edit to the version that shows its end."""
    kubeconfig = cluster.kubectl.kubeconfig
    operator = Operator(account_kubeconfig(cluster.kubectl, folder), folder)
    ends = folder / "ends"
    ends.unlink(missing_ok=True)
    operator.start(latency=LATENCY_S, ends=str(ends))
    acts = [says(), says(progress=None), says(progress={"total": 3, "completed": 9})]
    try:
        scan = cluster.apply_scan(
            refresh="Always",
            suspend=True,
            parallelism=PARALLELISM,
            progressInterval=f"{INTERVAL_S:g}s",
        )
        cluster.until_phase(scan, "Suspended")
        with Watch(kubeconfig, scan) as watch, Api(kubeconfig) as api:
            with Storm(kubeconfig, scan, acts, writers, per_s) as storm:
                began_s = time.time()
                storm.versions.add(api.edit(scan, suspend=False))
                end = watch.until(
                    # The operator's own word of it.
                    lambda v: ended(v) and v.number not in storm.versions,
                    "the end of the run",
                    RUN_TIMEOUT_S,
                )
            foreign = len(storm.versions)
            done = cluster.until(
                scan, lambda s: s.get("message", "").startswith(f"{ITEMS} "), "end"
            )
        shown = [
            (version.at_s, settled(version.body["status"]))
            for version in watch.versions
            if version.number not in storm.versions and version.body["status"].get("progress")
        ]
        answered_s = sorted(float(line) for line in ends.read_text().split())
        return Measured(
            took_s=end.at_s - began_s,
            lost=len(answered_s) - settled(done),
            wrong=len(flaws(watch.bodies, storm.versions)),
            lags_s=[
                next(at_s for at_s, count in shown if count > n) - answer_s
                for n, answer_s in enumerate(answered_s)
            ],
            foreign=foreign,
        )
    finally:
        operator.close()
        cluster.remove()


def _size(cluster: Cluster) -> Iterator[Figure]:
    """Return the size of the largest status there is, with the longest names and messages; the API
    server takes it.
    """
    failure = failed_item(NAME).model_copy(update={"message": "m" * 512})
    tally = Tally(
        total=LARGE,
        completed=LARGE - LARGE_FAILED - 256,
        failed_by_reason={f"Reason{n:02}": LARGE_FAILED // 10 for n in range(10)},
        failed_items=(failure,) * FAILED_ITEMS_MAX,
        in_flight={f"{n:03}{NAME[3:]}": 0.0 for n in range(256)},
    )
    at, live = ScanState(Phase.SCANNING, Handled(run())), Live(tally, 60.0, 60.0)
    wire = render(at, live, ScanStatus(), EPOCH, generation=1).to_wire()
    with Api(cluster.kubectl.kubeconfig) as api:
        scan = cluster.apply_scan("large")
        taken = api.patch(f"{SCANS}/{scan}/status", {"status": wire})["status"]
    cluster.remove()
    size = len(json.dumps(wire).encode())
    yield Figure(f"status of {LARGE}, {LARGE_FAILED} failed", size / 1024, "KiB", 64)
    differs = [key for key in wire if taken[key] != wire[key]]
    yield Figure("  fields not taken as sent", len(differs), "fields", 0)


def _waits(cluster: Cluster, folder: Path) -> Iterator[Figure]:
    """Check every version against what `kubectl wait --for=condition=Complete` goes by; after every
    so many edits kubectl itself waits.
    """
    kubeconfig = cluster.kubectl.kubeconfig
    operator = Operator(account_kubeconfig(cluster.kubectl, folder), folder)
    operator.start(latency=0.05)
    scan = cluster.apply_scan(selector={"include": [f"thing00*.{cluster.group}"]})
    cluster.until_phase(scan, "Completed")
    late, waits, others = 0, 0, set()
    try:
        with Watch(kubeconfig, scan) as watch, Api(kubeconfig) as api:
            for n in range(EDITS):
                last = api.edit(scan, rescan=str(n), parallelism=n % 7 + 1)
                others.add(last)
                if n % WAIT_EVERY == 0:
                    cluster.wait(scan, timeout_s=30)
                    waits += 1
                    late += cluster.status(scan)["lastHandledRescan"] != str(n)
                time.sleep(n % 4 * 0.02)
            cluster.wait(scan, timeout_s=30)
    finally:
        operator.close()
        cluster.remove()
    satisfied = [v for v in watch.bodies if _satisfies_wait(v)]
    early = [v for v in satisfied if v["status"]["lastHandledRescan"] != v["spec"]["rescan"]]
    yield Figure("edits", EDITS, "edits")
    yield Figure("versions that end a kubectl wait", len(satisfied), "versions")
    yield Figure("  of a run for an older edit", len(early), "versions", 0)
    yield Figure("  otherwise wrong versions", len(flaws(watch.bodies, others)), "versions", 0)
    yield Figure("real kubectl waits", waits, "waits")
    yield Figure("  ended by an older edit", late, "waits", 0)


def _satisfies_wait(body: Json) -> bool:
    """Return whether kubectl takes it: the condition speaks of the newest generation."""
    return any(
        c["type"] == "Complete"
        and c["status"] == "True"
        and c["observedGeneration"] >= body["metadata"]["generation"]
        for c in body["status"].get("conditions") or ()
    )
