"""The whole operator through a real API server, beside a loop that asks one question at a time.

The provider answers after 0.5 s on average, so the bound of a run is items x latency /
parallelism. Requests are counted by a proxy between the operator and the API server; memory and
processor time are read from the operator's own process.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.builders import crd
from tests.installation import account_kubeconfig, own_plane
from tests.operator.api import Api, Watch, ended
from tests.operator.cluster import Cluster, asked
from tests.operator.process import Operator
from tests.proxy import CountingProxy, Request

from benchmarks.figures import Figure
from benchmarks.memory import cpu_s, rss_mib
from capscan.kube.client import PAGE_ITEMS_MAX
from capscan.localplane.console import Console

ITEMS = 125
LATENCY_S = 0.5
SIGMA = 0.5
FLAKY = 0.05
FAIL = "thing01*"
PARALLELISMS = (1, 5, 10, 20, 64)
SIZES = (1000, 4000)
INTERVAL_S = 2.0
RUN_TIMEOUT_S = 300

STATUS = Request("PATCH", "capabilityscans/{name}/status")
READ = Request("GET", "customresourcedefinitions/{name}")
LISTS = (Request("GET", "customresourcedefinitions"), Request("GET", "capabilities"))
# What an API server with thousands of CRDs needs to stay within this machine.
MEMORY = {"GOMEMLIMIT": "7GiB", "GOGC": "40"}


@dataclass(frozen=True)
class Measured:
    """One run of the operator."""

    took_s: float
    failed: int
    asked: int
    status_writes: int
    reads: int
    lists: int
    rss_mib: float
    cpu_s: float


def measure() -> Iterator[Figure]:
    """Measure everything on one control plane that grows."""
    os.environ.update(MEMORY)
    with tempfile.TemporaryDirectory() as name, cluster_in(Path(name)) as cluster:
        folder = Path(name)
        cluster.create_crds(ITEMS)
        rss_125 = yield from _against_the_loop(cluster, folder)
        yield from _growth(cluster, folder, rss_125)


def _against_the_loop(cluster: Cluster, folder: Path) -> Generator[Figure, None, float]:
    """Measure 125 CRDs both ways; return the operator's MiB at the end of a run."""
    loop_s, _, loop_mib = _loop(cluster, folder, latency=LATENCY_S)
    yield Figure("loop, one at a time", loop_s, "s")
    runs: dict[int, Measured] = {}
    for parallelism in PARALLELISMS:
        run = runs[parallelism] = _run(cluster, folder, parallelism, latency=LATENCY_S)
        bound = ITEMS * LATENCY_S / parallelism
        target = 1.15 if parallelism == 10 else None
        yield Figure(f"{parallelism} at a time / bound", run.took_s / bound, "x", target)
    ten = runs[10]
    varied = _run(cluster, folder, 10, latency=LATENCY_S, sigma=SIGMA)
    bound = ITEMS * LATENCY_S / 10
    yield Figure("10 at a time, lognormal / bound", varied.took_s / bound, "x")
    yield Figure("loop / 10 at a time", loop_s / ten.took_s, "x", 8, at_least=True)
    yield Figure("loop / 5 at a time", loop_s / runs[5].took_s, "x", 5, at_least=True)
    _, loop_failed, _ = _loop(cluster, folder, latency=0.0, flaky=FLAKY, fail=FAIL)
    flaky = _run(cluster, folder, 10, latency=0.0, flaky=FLAKY, fail=FAIL)
    yield Figure("failed, the loop", loop_failed, "items")
    yield Figure("failed, 10 at a time", flaky.failed, "items", loop_failed)
    yield Figure("RSS / the loop's", ten.rss_mib / loop_mib, "x", 1.5)
    yield Figure("RSS", ten.rss_mib, "MiB", 110)
    yield Figure("CPU per item", ten.cpu_s / ITEMS * 1000, "ms")
    yield Figure("status writes", ten.status_writes, "requests", ten.took_s / INTERVAL_S + 6)
    return ten.rss_mib


def _growth(cluster: Cluster, folder: Path, rss_125: float) -> Iterator[Figure]:
    """Measure what more CRDs cost, and a rescan of all of them."""
    have = ITEMS
    runs: dict[int, Measured] = {}
    for size in SIZES:
        create_crds(cluster, range(have, size))
        have = size
        runs[size] = _run(cluster, folder, 64, latency=0.0)
        yield Figure(f"{size} CRDs", runs[size].took_s, "s")
    small, large = SIZES
    growth = (runs[large].took_s / large) / (runs[small].took_s / small)
    yield Figure(f"time per CRD, {large} / {small}", growth, "x")
    yield Figure(f"RSS at {large}", runs[large].rss_mib, "MiB", 200)
    yield Figure(f"RSS at {large} / at {ITEMS}", runs[large].rss_mib / rss_125, "x", 1.3)
    rescan = _run(cluster, folder, 64, latency=0.0, refresh="IfChanged")
    yield Figure(f"rescan of {large} unchanged", rescan.took_s, "s", 10)
    pages = 2 * -(-large // PAGE_ITEMS_MAX)
    yield Figure("  pages of its two listings", rescan.lists, "requests", pages + 2)
    yield Figure("  its reads", rescan.reads, "requests", 0)
    yield Figure("  its questions", rescan.asked, "requests", 0)


@contextmanager
def cluster_in(folder: Path) -> Iterator[Cluster]:
    """Start a control plane with capscan's kinds, for as long as the block lasts."""
    with (
        own_plane(folder, Console(io.StringIO())) as (_, kubectl),
        Cluster(kubectl, "bench.example.com") as cluster,
    ):
        yield cluster


def create_crds(cluster: Cluster, numbers: range) -> None:
    """Create many CRDs by four kubectl at a time, and wait until the API server serves them."""
    chunks = [numbers[at : at + 100] for at in range(0, len(numbers), 100)]

    def create(chunk: range) -> None:
        bodies = [crd(f"kind{n:05}s", group=cluster.group) for n in chunk]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
        # Validation on this side would first fetch the OpenAPI of everything, each time.
        cluster.kubectl(
            *("create", "--validate=false", "-f", "-"), input=text, timeout_s=RUN_TIMEOUT_S
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, chunks))
    cluster.kubectl(
        *("wait", "--for=condition=Established", "crd", "--all", "--timeout=900s"), timeout_s=910
    )


def _run(
    cluster: Cluster,
    folder: Path,
    parallelism: int,
    *,
    refresh: str = "Always",
    **provider: float | str,
) -> Measured:
    """Measure one run by a fresh operator. It is held until the operator is ready, so that the
    start of the process is not compared.
    """
    kubeconfig = cluster.kubectl.kubeconfig
    with CountingProxy(account_kubeconfig(cluster.kubectl, folder)) as proxy:
        operator = Operator(proxy.write_kubeconfig(folder / "proxy.kubeconfig"), folder)
        operator.ledger.unlink(missing_ok=True)
        operator.start(**provider)
        try:
            scan = cluster.apply_scan(
                parallelism=parallelism,
                refresh=refresh,
                suspend=True,
                progressInterval=f"{INTERVAL_S:g}s",
            )
            cluster.until_phase(scan, "Suspended")
            proxy.reset()
            process = Path(f"/proc/{operator.pid}")
            cpu = cpu_s(process)
            # Over connections that are there: what starting kubectl takes is not the operator's.
            with Watch(kubeconfig, scan) as watch, Api(kubeconfig) as api:
                began_s = time.time()
                api.edit(scan, suspend=False)
                end = watch.until(ended, "the end of the run", RUN_TIMEOUT_S)
            return Measured(
                took_s=end.at_s - began_s,
                failed=cluster.status(scan)["progress"]["failed"],
                asked=len(asked(operator.ledger)),
                status_writes=proxy.counts[STATUS],
                reads=proxy.counts[READ],
                lists=sum(proxy.counts[request] for request in LISTS),
                rss_mib=rss_mib(process),
                cpu_s=cpu_s(process) - cpu,
            )
        finally:
            operator.close()
            cluster.remove()


def _loop(cluster: Cluster, folder: Path, **provider: float | str) -> tuple[float, int, float]:
    """Return (seconds, failed items, MiB) of the loop, in a process of its own."""
    kubeconfig = account_kubeconfig(cluster.kubectl, folder)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.one_at_a_time"),
            *("--kubeconfig", str(kubeconfig), "--ledger", str(folder / "loop.ledger")),
            *("--group", cluster.group),
            *(f"--{name}={value}" for name, value in provider.items()),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
    )
    took_s, failed, mib = done.stdout.split()
    return float(took_s), int(failed), float(mib)
