"""What leads ends and starts again, while the same process goes on watching."""

from pathlib import Path

import pytest
from anyio.to_thread import run_sync as in_thread

from capscan.app import Application
from capscan.handlers import watch_with_kopf
from capscan.settings import Settings
from tests.operator.cluster import Cluster, asked, settled
from tests.operator.conftest import account_kubeconfig
from tests.providers import LedgerProvider


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_scan_goes_on_after_the_leading_part_was_stopped_and_started_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    """A scan that was applied while nobody led is worked on as well."""
    ledger = tmp_path / "ledger"
    settings = Settings(kubeconfig=str(account_kubeconfig(cluster.kubectl, tmp_path)))
    provider = LedgerProvider(ledger=ledger, latency_s=0.2)
    application = Application(settings, offline=provider, watch=watch_with_kopf)
    cluster.create_crds(20)
    await application.connect()

    async with application.watching():
        async with application.leader.leading():
            scan = cluster.apply_scan(parallelism=2)
            await in_thread(cluster.until_settled, scan, 2)
        between, asked_by_then = cluster.status(scan), len(asked(ledger))
        late = cluster.apply_scan("late", selector={"include": ["thing000*"]})
        async with application.leader.leading():
            done = await in_thread(cluster.until_phase, scan, "Completed")
            await in_thread(cluster.until_phase, late, "Completed")

    assert between["phase"] == "Scanning"
    assert between["run"]["id"] == done["run"]["id"]
    assert settled(between) == asked_by_then
    assert settled(done) == 20
    assert len(asked(ledger)) == 20
