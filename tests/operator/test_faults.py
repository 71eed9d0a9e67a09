"""What others do to a scan: deletions, an edited status, missing kinds, a second operator."""

from pathlib import Path

import pytest

from tests.installation import install
from tests.operator.api import Refused
from tests.operator.cluster import Cluster, asked, settled
from tests.operator.process import Operator
from tests.operator.waiting import quiet_for, until

pytestmark = pytest.mark.slow


def test_a_scan_can_be_deleted_while_no_operator_runs(cluster: Cluster) -> None:
    scan = cluster.apply_scan()

    cluster.kubectl("delete", "capscan", scan, "--timeout=3s")

    with pytest.raises(Refused, match="404"):
        cluster.scan(scan)


def test_a_status_removed_by_hand_is_written_again(cluster: Cluster, operator: Operator) -> None:
    cluster.create_crds(20)
    operator.start(latency=0.4)
    scan = cluster.apply_scan(parallelism=4)
    before = cluster.until_settled(scan, 4)
    remove = ("patch", "capscan", scan, "--subresource=status", "--type=json", "-p")

    cluster.kubectl(*remove, '[{"op":"remove","path":"/status"}]')
    busy = cluster.until(scan, lambda s: s.get("phase") == "Scanning", "status again")
    done = cluster.until_phase(scan, "Completed")
    cluster.kubectl(*remove, '[{"op":"remove","path":"/status"}]')
    rest = cluster.until_phase(scan, "Completed")

    assert settled(busy) >= settled(before)
    assert done["run"]["id"] == before["run"]["id"]
    assert rest == done
    assert len(asked(operator.ledger)) == 20


def test_a_crd_deleted_before_its_turn_is_skipped(cluster: Cluster, operator: Operator) -> None:
    names = cluster.create_crds(12)
    operator.start(latency=0.5)
    scan = cluster.apply_scan(parallelism=1)
    until(lambda: asked(operator.ledger), bool, "the first request")

    cluster.kubectl("delete", "crd", names[-1])
    status = cluster.until_phase(scan, "Completed")

    assert status["progress"]["skipped"] == 1
    assert status["progress"]["completed"] == 11
    assert status["progress"]["summary"] == "12/12"


@pytest.mark.usefixtures("installed_again")
def test_it_waits_for_its_own_kinds_and_goes_on_when_they_come(
    cluster: Cluster, operator: Operator
) -> None:
    kinds = ("capabilityscans.capscan.dev", "capabilities.capscan.dev")
    cluster.create_crds(3)
    cluster.kubectl("delete", "crd", *kinds)
    operator.start()
    operator.until_logged("capabilityscans are not installed; waiting for: kubectl apply -k crds/")

    install(cluster.kubectl)
    scan = cluster.apply_scan()
    cluster.until_phase(scan, "Completed")

    cluster.kubectl("delete", "crd", *kinds)
    until(lambda: operator.log.count("are not installed"), lambda n: n == 2, "a second wait")
    install(cluster.kubectl)
    again = cluster.apply_scan()
    status = cluster.until_phase(again, "Completed")

    assert status["progress"]["completed"] == 3
    assert len(cluster.capabilities()) == 3


def test_two_operators_at_rest_leave_the_status_alone(
    cluster: Cluster, operator: Operator, tmp_path: Path
) -> None:
    """Two operators are a mistake, but not one that makes them write for ever."""
    cluster.create_crds(3)
    (tmp_path / "second").mkdir()
    second = Operator(operator.kubeconfig, tmp_path / "second")
    operator.start(latency=1.0)
    second.start(latency=1.0)
    try:
        for one in (operator, second):
            one.until_logged("watching capabilityscans")
        scan = cluster.apply_scan()
        cluster.until_phase(scan, "Completed")
        until(lambda: operator.log + second.log, lambda log: "another operator" in log, "a word")
        for one in (operator, second):
            one.until_logged("is Completed after")
        quiet_for(lambda: cluster.scan(scan)["metadata"]["resourceVersion"], quiet_s=3)
    finally:
        second.close()
