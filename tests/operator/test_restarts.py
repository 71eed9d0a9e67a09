"""A run survives `kill -9`, SIGTERM, and an API server that is away for a while."""

from pathlib import Path

import pytest

from capscan.scan.engine import AHEAD_MAX
from tests.installation import account_kubeconfig, own_plane
from tests.operator.cluster import Cluster, asked
from tests.operator.process import Operator
from tests.operator.waiting import until

pytestmark = pytest.mark.slow

COUNTS = ("completed", "unchanged", "failed", "skipped")


def test_a_run_with_failures_goes_on_where_it_was_after_kill_9(
    cluster: Cluster, operator: Operator
) -> None:
    cluster.create_crds(80)
    operator.start(latency=0.3, fail="*thing0[0-5]*")
    scan = cluster.apply_scan(parallelism=6)
    before = cluster.until(scan, lambda s: (s.get("progress") or {}).get("failed", 0) >= 55, "55")
    operator.kill()
    dead = cluster.status(scan)
    lost = len(asked(operator.ledger)) - len(cluster.capabilities())
    watch = cluster.watch(scan)

    operator.start(latency=0.3, fail="*thing0[0-5]*")
    status = cluster.until_phase(scan, "CompletedWithFailures")
    versions = [v["status"]["progress"] for v in watch.stop() if v["status"].get("progress")]

    assert status["run"]["id"] == before["run"]["id"]
    assert status["run"]["resumed"] == 1
    assert status["progress"]["failed"] == 60
    assert status["progress"]["completed"] == 20
    assert status["progress"]["failedByReason"] == {"RequestRejected": 60}
    assert len(status["failedItems"]) == 50
    assert status["failedItemsOmitted"] == 10
    floor = dead["progress"]
    for progress in versions:
        assert all(progress[count] >= floor[count] for count in COUNTS)
        floor = progress
    # Only what was in flight at the kill, or on its way to the store, may have been asked twice.
    assert lost <= 6 + AHEAD_MAX
    assert len(asked(operator.ledger)) <= 80 + lost
    assert len(set(asked(operator.ledger))) == 80


def test_sigterm_lets_items_finish_and_writes_the_last_status(
    cluster: Cluster, operator: Operator
) -> None:
    cluster.create_crds(20)
    operator.start(latency=1.0)
    scan = cluster.apply_scan(parallelism=5, progressInterval="10m")
    until(lambda: asked(operator.ledger), lambda a: len(a) > 5, "a second round")

    assert operator.stop() == 0

    status = cluster.status(scan)
    count = len(asked(operator.ledger))
    assert status["progress"]["completed"] == count < 20
    assert status["progress"]["inFlight"] == 0
    assert status["phase"] == "Scanning"

    operator.start()
    status = cluster.until_phase(scan, "Completed")
    assert status["progress"]["completed"] == 20
    assert len(asked(operator.ledger)) == 20


@pytest.mark.usefixtures("programs")
def test_an_api_server_that_goes_away_in_mid_run_ends_nothing(tmp_path: Path) -> None:
    """It is killed, and comes back later, on a control plane of this test's own."""
    with own_plane(tmp_path) as (plane, kubectl):
        operator = Operator(account_kubeconfig(kubectl, tmp_path), tmp_path)
        operator.start(latency=0.4)
        try:
            with Cluster(kubectl, "outage.example.com") as cluster:
                cluster.create_crds(30)
                scan = cluster.apply_scan(parallelism=3)
                before = cluster.until_settled(scan, 3)
                plane.stop_api_server(by_force=True)
                operator.until_logged("The API server is not answering")
                plane.start_api_server()
                status = cluster.until_phase(scan, "Completed", timeout_s=60)
        finally:
            operator.close()
        assert status["run"]["id"] == before["run"]["id"]
        assert status["progress"]["completed"] == 30
        assert len(asked(operator.ledger)) == 30
