"""A proxy counts the requests that the operator costs the API server."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.installation import account_kubeconfig
from tests.operator.cluster import Cluster, asked
from tests.operator.process import Operator
from tests.operator.waiting import quiet_for, until
from tests.proxy import CountingProxy, Request

STATUS = Request("PATCH", "capabilityscans/{name}/status")
LISTS = {Request("GET", "customresourcedefinitions"), Request("GET", "capabilities")}
EVENTS = {Request("POST", "events"), Request("PATCH", "events/{name}")}
WATCHES = {
    Request("GET", plural, watch=True) for plural in ("capabilityscans", "inferenceproviders")
}
LISTINGS = {Request("GET", watch.path) for watch in WATCHES}
INTERVAL_S = 0.5
QUIET_S = 11.0
"""Longer than REFRESH_S, at which a scan's status is rendered anew in any case."""


@pytest.fixture
def proxy(cluster: Cluster, tmp_path: Path) -> Iterator[CountingProxy]:
    with CountingProxy(account_kubeconfig(cluster.kubectl, tmp_path)) as proxy:
        yield proxy


@pytest.fixture
def counted(proxy: CountingProxy, tmp_path: Path) -> Iterator[Operator]:
    """The operator, whose requests pass the proxy."""
    operator = Operator(proxy.write_kubeconfig(tmp_path / "proxy.kubeconfig"), tmp_path)
    yield operator
    operator.close()


def test_a_run_reads_each_crd_once_and_writes_its_status_seldom(
    cluster: Cluster, counted: Operator, proxy: CountingProxy
) -> None:
    cluster.create_crds(30)
    counted.start(latency=0.5)
    scan = cluster.apply_scan(parallelism=5, progressInterval="500ms")

    run = cluster.until_phase(scan, "Completed")["run"]

    took = datetime.fromisoformat(run["completionTime"]) - datetime.fromisoformat(run["startTime"])
    assert proxy.counts[STATUS] <= (took.total_seconds() + 1) / INTERVAL_S + 6
    assert proxy.counts[Request("GET", "customresourcedefinitions/{name}")] == 30
    # One pretended write before the first question, then one for each answer.
    assert proxy.counts[Request("PATCH", "capabilities/{name}")] == 1 + 30
    assert {proxy.counts[request] for request in LISTS} == {1}


def test_a_rescan_with_nothing_changed_costs_two_listings(
    cluster: Cluster, counted: Operator, proxy: CountingProxy
) -> None:
    cluster.create_crds(10)
    counted.start()
    # Only turns of the run are told, however long it takes on a busy machine.
    scan = cluster.apply_scan(progressInterval="1m")
    cluster.until_phase(scan, "Completed")
    _until_started(proxy)
    proxy.reset()

    cluster.patch(scan, {"rescan": "2"})
    cluster.until(
        scan, lambda s: s.get("lastHandledRescan") == "2" and s["phase"] == "Completed", "a rescan"
    )

    assert {proxy.counts[request] for request in LISTS} == {1}
    assert set(proxy.counts) <= LISTS | {STATUS} | EVENTS
    assert proxy.counts[STATUS] <= 3
    assert sum(proxy.counts[request] for request in EVENTS) <= 2  # it starts, it is done
    assert len(asked(counted.ledger)) == 10


def test_a_scan_at_rest_costs_nothing(
    cluster: Cluster, counted: Operator, proxy: CountingProxy
) -> None:
    """A scan at rest is neither read nor written."""
    cluster.create_crds(3)
    counted.start()
    scan = cluster.apply_scan()
    cluster.until_phase(scan, "Completed")
    version = cluster.scan(scan)["metadata"]["resourceVersion"]
    _until_started(proxy)
    proxy.reset()

    assert quiet_for(lambda: dict(proxy.counts), QUIET_S) == {}
    assert cluster.scan(scan)["metadata"]["resourceVersion"] == version


def _until_started(proxy: CountingProxy) -> None:
    """Wait for the watches and the Events: a short run may be over before them.

    Each kind is listed before it is watched, by the watch, and once more for what was deleted in
    between.
    """
    until(
        lambda: proxy.counts,
        lambda counts: (
            set(counts) >= WATCHES
            and all(counts[listing] >= 3 for listing in LISTINGS)
            and sum(counts[event] for event in EVENTS) >= 2
        ),
        "the watches, and a word on the start and the end of a run",
    )
