"""What starts a run, what does not, and what an edit changes in mid-run."""

from tests.operator.cluster import Cluster, asked, condition, settled
from tests.operator.process import Operator
from tests.operator.waiting import until


def test_a_new_rescan_value_starts_a_run_and_clearing_it_does_not(
    cluster: Cluster, operator: Operator
) -> None:
    cluster.create_crds(3)
    operator.start()
    scan = cluster.apply_scan()
    first = cluster.until_phase(scan, "Completed")

    cluster.patch(scan, {"rescan": "2"})
    second = cluster.until(
        scan, lambda s: s["run"]["trigger"] == "Rescan" and s["phase"] == "Completed", "a rescan"
    )
    cluster.patch(scan, {"rescan": ""})
    cleared = cluster.until(scan, lambda s: s["observedGeneration"] == 3, "the third generation")

    assert second["run"]["id"] != first["run"]["id"]
    assert second["lastRun"]["id"] == first["run"]["id"]
    assert second["lastHandledRescan"] == "2"
    assert cleared["run"]["id"] == second["run"]["id"]
    assert cleared["phase"] == "Completed"
    assert len(asked(operator.ledger)) == 3


def test_the_requested_at_annotation_starts_a_run(cluster: Cluster, operator: Operator) -> None:
    cluster.create_crds(2)
    operator.start()
    scan = cluster.apply_scan(refresh="Always")
    first = cluster.until_phase(scan, "Completed")

    at = "2026-01-01T00:00:00Z"
    cluster.kubectl("annotate", "capscan", scan, f"capscan.dev/requestedAt={at}")
    status = cluster.until(
        scan, lambda s: s.get("lastHandledRequestedAt") == at and s["phase"] == "Completed", "a run"
    )

    assert status["run"]["id"] != first["run"]["id"]
    assert status["progress"]["completed"] == 2
    assert len(asked(operator.ledger)) == 4


def test_an_edit_of_parallelism_takes_effect_without_a_new_run(
    cluster: Cluster, operator: Operator
) -> None:
    cluster.create_crds(30)
    operator.start(latency=2.0)  # fifteen at once last for several writes of the status
    scan = cluster.apply_scan(parallelism=1)
    before = cluster.until_settled(scan, 1)

    cluster.patch(scan, {"parallelism": 15})
    busy = cluster.until(scan, lambda s: s["progress"]["inFlight"] == 15, "15 in flight")
    status = cluster.until_phase(scan, "Completed")

    assert busy["observedGeneration"] == 2
    assert status["run"]["id"] == before["run"]["id"]
    assert len(asked(operator.ledger)) == 30


def test_an_edited_selector_in_mid_run_keeps_what_is_done(
    cluster: Cluster, operator: Operator
) -> None:
    cluster.create_crds(20)
    cluster.create_crds(5, prefix="other")
    operator.start(latency=0.4)
    scan = cluster.apply_scan(
        parallelism=4, selector={"include": [f"thing*.{cluster.group}"]}, refresh="Always"
    )
    before = cluster.until_settled(scan, 4)

    cluster.patch(scan, {"selector": {"include": [f"*.{cluster.group}"]}})
    moved = cluster.until(scan, lambda s: s["observedGeneration"] == 2, "the new generation")
    status = cluster.until_phase(scan, "Completed")

    assert moved["run"]["id"] != before["run"]["id"] or moved["phase"] == "Scanning"
    assert status["run"]["trigger"] == "SpecChanged"
    assert status["progress"]["total"] == 25
    assert status["progress"]["unchanged"] >= 4
    # Items in flight at the edit have seconds to finish, so nothing was asked twice.
    assert sorted(asked(operator.ledger)) == sorted(cluster.capabilities())


def test_suspend_stops_within_seconds_and_goes_on_where_it_was(
    cluster: Cluster, operator: Operator
) -> None:
    cluster.create_crds(24)
    operator.start(latency=0.4)
    scan = cluster.apply_scan(parallelism=4)
    before = cluster.until_settled(scan, 4)

    cluster.patch(scan, {"suspend": True})
    held = cluster.until_phase(scan, "Suspended", timeout_s=6)
    count = len(asked(operator.ledger))
    cluster.patch(scan, {"suspend": False})
    status = cluster.until_phase(scan, "Completed")

    assert settled(held) == count < 24
    assert held["progress"]["inFlight"] == 0
    assert condition(held, "Reconciling")["status"] == "False"
    assert condition(held, "Stalled")["status"] == "False"
    assert status["run"]["id"] == before["run"]["id"]
    assert status["run"]["resumed"] == 1
    assert len(asked(operator.ledger)) == 24


def test_deleting_the_scan_stops_its_work_and_leaves_the_capabilities(
    cluster: Cluster, operator: Operator
) -> None:
    cluster.create_crds(30)
    operator.start(latency=0.4)
    scan = cluster.apply_scan(parallelism=3)
    cluster.until_settled(scan, 3)

    cluster.kubectl("delete", "capscan", scan, "--timeout=2s")
    operator.until_logged(f"{scan}: deleted")
    count = len(asked(operator.ledger))
    other = cluster.apply_scan("other", selector={"include": ["nothing.at.all"]})
    cluster.until_phase(other, "Completed")

    assert len(asked(operator.ledger)) == count < 30
    assert len(cluster.capabilities()) >= 3


def test_a_scan_recreated_in_mid_run_starts_clean(cluster: Cluster, operator: Operator) -> None:
    cluster.create_crds(20)
    operator.start(latency=0.4, fail="*thing00*")
    scan = cluster.apply_scan(parallelism=5)
    before = cluster.until_settled(scan, 5)

    cluster.kubectl("delete", "capscan", scan)
    cluster.apply_scan(parallelism=20)
    status = cluster.until_phase(scan, "CompletedWithFailures")

    assert status["run"]["id"] != before["run"]["id"]
    assert "lastRun" not in status
    assert status["progress"]["total"] == 20
    assert status["run"]["resumed"] == 0


def test_a_crd_that_changed_is_asked_about_only_if_its_digest_did(
    cluster: Cluster, operator: Operator
) -> None:
    names = cluster.create_crds(2)
    operator.start()
    scan = cluster.apply_scan()
    cluster.until_phase(scan, "Completed")
    operator.ledger.unlink()

    cluster.kubectl(
        *("patch", "crd", names[0], "--type=json", "-p"),
        '[{"op":"add","path":"/spec/versions/0/additionalPrinterColumns",'
        '"value":[{"name":"Size","type":"string","jsonPath":".spec.size"}]}]',
    )
    cluster.patch(scan, {"rescan": "columns"})
    status = cluster.until(
        scan, lambda s: s.get("lastHandledRescan") == "columns" and s["phase"] == "Completed", "run"
    )
    assert status["progress"]["unchanged"] == 2
    assert asked(operator.ledger) == []

    cluster.kubectl(
        *("patch", "crd", names[1], "--type=json", "-p"),
        '[{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/description",'
        '"value":"Entirely different now."}]',
    )
    cluster.patch(scan, {"rescan": "description"})
    status = cluster.until(
        scan,
        lambda s: s.get("lastHandledRescan") == "description" and s["phase"] == "Completed",
        "run",
    )
    assert asked(operator.ledger) == [names[1]]
    assert (status["progress"]["completed"], status["progress"]["unchanged"]) == (1, 1)


def test_a_capability_edited_or_deleted_by_hand_is_made_again(
    cluster: Cluster, operator: Operator
) -> None:
    names = cluster.create_crds(3)
    operator.start()
    scan = cluster.apply_scan()
    cluster.until_phase(scan, "Completed")
    operator.ledger.unlink()

    cluster.kubectl(
        *("patch", "capability", names[0], "--type=merge", "-p"),
        '{"analysis":{"description":"I know better."}}',
    )
    cluster.kubectl("delete", "capability", names[1])
    cluster.kubectl("label", "capability", names[2], "team=storage")
    cluster.patch(scan, {"rescan": "2"})
    until(lambda: asked(operator.ledger), lambda a: len(a) == 2, "two requests")
    status = cluster.until_phase(scan, "Completed")

    assert sorted(asked(operator.ledger)) == names[:2]
    assert status["progress"]["unchanged"] == 1
    assert cluster.capability(names[0])["analysis"]["description"] == f"Describes {names[0]}."
    assert cluster.capability(names[2])["metadata"]["labels"]["team"] == "storage"


def test_a_scan_that_follows_asks_about_a_crd_that_is_added(
    cluster: Cluster, operator: Operator
) -> None:
    """`kubectl describe` shows the Events of both runs."""
    cluster.create_crds(2)
    operator.start()
    scan = cluster.apply_scan(follow=True)
    cluster.until_phase(scan, "Completed")

    cluster.create_crds(1, prefix="added")
    status = cluster.until(
        scan, lambda s: s["run"]["trigger"] == "Follow" and s["phase"] == "Completed", "a run"
    )

    assert status["progress"]["summary"] == "3/3"
    assert len(asked(operator.ledger)) == 3
    until(
        lambda: cluster.kubectl("describe", "capscan", scan),
        lambda text: "Started" in text and "Completed" in text.partition("Events:")[2],
        "events",
    )
