"""The whole operator at a provider with limits: 1,000 CRDs through a real API server.

Like `bench_engine`, but for the provider: `capscan operator` asks the fake model server over HTTP,
which answers after 5 s and allows 600 requests a minute. The bound knows both, and parallelism.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.installation import account_kubeconfig
from tests.modelserver.behaviour import Behaviour, Latency, Limits, Rate
from tests.modelserver.bounds import bound_s
from tests.modelserver.process import running
from tests.operator.cluster import Cluster
from tests.operator.process import Operator

from benchmarks.bench_engine import MEMORY, cluster_in, create_crds
from benchmarks.figures import Figure
from benchmarks.memory import cpu_s, rss_mib

ITEMS = 1000
PARALLELISM = 64
LATENCY_S = 5.0
MODEL = "gpt-5-mini"
RATE = Rate(per_minute=600, burst=5)
RUN_TIMEOUT_S = 600


def measure() -> Iterator[Figure]:
    """Measure one run. It is held until operator and provider are ready, so that their start is not
    compared.
    """
    os.environ.update(MEMORY)
    behaviour = Behaviour(latency=Latency(mean_s=LATENCY_S), limits=Limits(requests=RATE))
    with (
        tempfile.TemporaryDirectory() as name,
        cluster_in(Path(name)) as cluster,
        running() as server,
    ):
        create_crds(cluster, range(ITEMS))
        server.change(**behaviour.model_dump())
        yield from _run(cluster, Path(name), server.url)
        statuses = Counter(call["status"] for call in server.calls() if call["name"])
    yield Figure("429s", statuses[429], "calls", 0)
    yield Figure("questions", statuses.total(), "calls", ITEMS)


def _run(cluster: Cluster, folder: Path, url: str) -> Iterator[Figure]:
    operator = Operator(account_kubeconfig(cluster.kubectl, folder), folder)
    operator.spawn(
        [sys.executable, "-m", "capscan", "operator", f"--kubeconfig={operator.kubeconfig}"]
    )
    try:
        provider = cluster.apply_provider(
            protocol="OpenAI",
            model=MODEL,
            baseURL=f"{url}/v1",
            limits={"requestsPerMinute": int(RATE.per_minute)},
        )
        cluster.ready(provider, "Usable")
        scan = cluster.apply_scan(
            providerRef={"name": provider},
            parallelism=PARALLELISM,
            suspend=True,
            progressInterval="2s",
        )
        cluster.until_phase(scan, "Suspended")
        process = Path(f"/proc/{operator.pid}")
        cpu, began_s = cpu_s(process), time.monotonic()
        cluster.patch(scan, {"suspend": False})
        cluster.wait(scan, timeout_s=RUN_TIMEOUT_S)
        took_s = time.monotonic() - began_s
        bound = bound_s(
            ITEMS, latency_s=LATENCY_S, charges=[(RATE, ITEMS)], in_flight_max=PARALLELISM
        )
        yield Figure("bound", bound, "s")
        yield Figure("makespan / bound", took_s / bound, "x", 1.12)
        yield Figure("failed", cluster.status(scan)["progress"]["failed"], "items", 0)
        yield Figure("RSS", rss_mib(process), "MiB")
        yield Figure("CPU per item", (cpu_s(process) - cpu) / ITEMS * 1000, "ms")
    finally:
        operator.close()
        cluster.remove()
