"""What most people would write first: a loop over the CRDs, one question after the other.

It does the same work by the same parts (read, digest, ask with retries, store), without planning,
workers, status or resuming: the other side of `bench_engine`.
"""

import argparse
import random
import time
from datetime import UTC, datetime
from pathlib import Path

import anyio
from tests.fakes import FreeSlot
from tests.operator_process import provider, provider_flags
from tests.providers import OneProvider

from benchmarks.memory import rss_mib
from capscan.core.crd.digested import DigestedCrd, digest_bytes
from capscan.core.run.events import CrdFailed
from capscan.core.run.plan import PlannedItem, plan_key
from capscan.kube.client import KubeClient
from capscan.kube.config import ClusterSettings
from capscan.kube.crds import CrdSource
from capscan.model import Run, ScanSpec, Trigger
from capscan.scan.item import Settler
from capscan.scan.ports import Ports
from capscan.store.capabilities import CapabilityStore


async def digest(raw: bytes) -> DigestedCrd:
    """Digest a CRD in this process."""
    return digest_bytes(raw)


async def loop(flags: argparse.Namespace) -> None:
    """Scan one CRD after the other; print seconds, failures and MiB."""
    client = KubeClient(ClusterSettings(kubeconfig=flags.kubeconfig))
    await client.connect()
    asked = provider(flags)
    ports = Ports(
        crds=CrdSource(client, digest),
        store=CapabilityStore(client),
        providers=OneProvider(asked),
        now=lambda: datetime.now(UTC),
        jitter=random.random,
    )
    began = time.monotonic()
    run = Run(
        id="loop",
        trigger=Trigger.CREATED,
        inputs_hash="",
        owner="loop",
        start_time=datetime.now(UTC),
    )
    settle = Settler(ports, asked, scan="loop", run=run, spec=ScanSpec)
    failed = 0
    for ref in await ports.crds.list_refs():
        if ref.name.endswith(flags.group):
            item = PlannedItem(ref, plan_key(ref, asked.identity))
            failed += isinstance(await settle(item, FreeSlot()), CrdFailed)
    print(time.monotonic() - began, failed, rss_mib(Path("/proc/self")))
    await client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[provider_flags()])
    parser.add_argument("--group", required=True)
    anyio.run(loop, parser.parse_args())
