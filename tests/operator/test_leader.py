"""What leads ends and starts again, while the same process goes on watching."""

from contextlib import closing
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync as in_thread

from capscan.app import Application
from capscan.kube.watcher import Watcher
from capscan.settings import Settings
from tests.installation import account_kubeconfig
from tests.operator.api import CAPSCAN, Api
from tests.operator.cluster import Cluster, asked, settled
from tests.operator.waiting import until
from tests.providers import LedgerProvider

LOOK_S = 0.1


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Looking:
    """A watch that looks again and again, and tells of each version of an object once: kopf is not
    needed to see what leads.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.told: set[str] = set()

    async def __call__(self, watcher: Watcher) -> None:
        with closing(Api(self._cluster.kubectl.kubeconfig)) as api:
            while True:
                for plural in watcher.plurals:
                    for body in (await in_thread(api.get, f"{CAPSCAN}/{plural}"))["items"]:
                        if (version := body["metadata"]["resourceVersion"]) not in self.told:
                            watcher.seen(plural, body)
                            self.told.add(version)
                await anyio.sleep(LOOK_S)

    async def until_told(self, *scans: str) -> None:
        """Wait until the newest version of these scans is known."""
        for scan in scans:
            version = self._cluster.scan(scan)["metadata"]["resourceVersion"]
            with anyio.fail_after(10):
                while version not in self.told:  # noqa: ASYNC110
                    await anyio.sleep(LOOK_S)
        await anyio.wait_all_tasks_blocked()


def application_of(
    cluster: Cluster, folder: Path, provider: LedgerProvider, watch: Looking
) -> Application:
    settings = Settings(kubeconfig=str(account_kubeconfig(cluster.kubectl, folder)))
    return Application(settings, offline=provider, watch=watch)


@pytest.mark.anyio
async def test_a_scan_goes_on_after_the_leading_part_was_stopped_and_started_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    """A scan that was applied while nobody led is worked on as well."""
    ledger = tmp_path / "ledger"
    provider = LedgerProvider(ledger=ledger, latency_s=0.2)
    watch = Looking(cluster)
    application = application_of(cluster, tmp_path, provider, watch)
    cluster.create_crds(20)
    await application.connect()

    async with application.watching():
        async with application.leader.leading():
            scan = cluster.apply_scan(parallelism=2)
            await in_thread(cluster.until_settled, scan, 2)
        between, asked_by_then = cluster.status(scan), len(asked(ledger))
        late = cluster.apply_scan("late", selector={"include": [f"thing000*.{cluster.group}"]})
        await watch.until_told(scan, late)
        async with application.leader.leading():
            done = await in_thread(cluster.until_phase, scan, "Completed")
            await in_thread(cluster.until_phase, late, "Completed")

    assert between["phase"] == "Scanning"
    assert between["run"]["id"] == done["run"]["id"]
    assert settled(between) == asked_by_then
    assert settled(done) == 20
    assert len(asked(ledger)) == 20


@pytest.mark.anyio
async def test_a_leading_part_that_is_cancelled_ends_at_once_and_can_be_started_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Items in flight are not waited for, unlike at a stop."""
    ledger = tmp_path / "ledger"
    provider = LedgerProvider(ledger=ledger, latency_s=600)
    watch = Looking(cluster)
    application = application_of(cluster, tmp_path, provider, watch)
    cluster.create_crds(2)
    await application.connect()

    async with application.watching():
        with anyio.CancelScope() as scope:
            async with application.leader.leading():
                scan = cluster.apply_scan()
                await in_thread(until, lambda: asked(ledger), lambda found: len(found) == 2, "two")
                cancelled_s = anyio.current_time()
                scope.cancel()
                await anyio.sleep_forever()
        ended_s = anyio.current_time()
        await watch.until_told(scan)
        provider.latency_s = 0
        async with application.leader.leading():
            done = await in_thread(cluster.until_phase, scan, "Completed")

    assert ended_s - cancelled_s < Settings().drain_seconds / 2
    assert settled(done) == 2
