"""Writes captured/*.yaml: an object of a real run for every state that the tools have to judge.

    python -m tests.gitops.capture

The operator works on a real API server, and a watch sees every version. Times, ids and whatever
else differs between two captures are made the same; conditions are kept to the letter. The phase
Pending is missing: it is never seen without a stall.
"""

import sys

import yaml

from tests.gitops.capture_providers import capture_providers
from tests.gitops.recording import FIXED, FOLDER, Accept, first, running, save
from tests.operator.cluster import Cluster, Json, condition, settled
from tests.operator.process import Operator

LATENCY_S = 1.2
"""The latency of one answer: it is long enough for several writes and reads of the status."""


def shows(phase: str, done: int | None = None) -> Accept:
    """Accept a scan in this phase that was observed and has that many items settled."""

    def accept(scan: Json) -> bool:
        status = scan["status"]
        return (
            status.get("phase") == phase
            and status["observedGeneration"] == scan["metadata"]["generation"]
            and (done is None or settled(status) == done)
        )

    return accept


def is_ahead(scan: Json) -> bool:
    """Whether the scan was edited and the operator has not seen that yet."""
    ahead: bool = scan["metadata"]["generation"] > scan["status"]["observedGeneration"] > 0
    return ahead


def first_run(cluster: Cluster, operator: Operator) -> str:
    """Nobody there yet, then a whole run; the scan's name."""
    scan = cluster.apply_scan("first", parallelism=1, refresh="Always")
    save("created", cluster.scan(scan))
    watch = cluster.watch(scan)
    operator.start(latency=LATENCY_S, fail="broken*")
    watch.until(shows("Completed"), "end of the run")
    versions = watch.stop()
    save("discovering", first(versions, shows("Discovering")))
    save("scanning", first(versions, shows("Scanning", 2)))
    save("completed", first(versions, shows("Completed")))
    return scan


def rescan(cluster: Cluster, scan: str) -> None:
    """A new value in Git, suspended half-way, resumed, and done."""
    watch = cluster.watch(scan)
    cluster.patch(scan, {"rescan": "2"})
    cluster.until(scan, lambda s: settled(s) == 1, "the first item")
    cluster.patch(scan, {"suspend": True})
    cluster.until_phase(scan, "Suspended")
    cluster.patch(scan, {"suspend": False})
    watch.until(lambda v: v["metadata"]["generation"] == 4 and shows("Completed")(v), "end")
    versions = watch.stop()
    save("edited", first(versions, is_ahead))
    save("rescan-discovering", first(versions, shows("Discovering")))
    save("rescan-scanning", first(versions, shows("Scanning", 1)))
    save("rescan-suspended", first(versions, shows("Suspended")))
    after = versions[versions.index(first(versions, shows("Suspended"))) :]
    save("rescan-resumed", first(after, shows("Scanning", 3)))
    save("rescan-completed", first(after, shows("Completed")))


def requested(cluster: Cluster, scan: str) -> None:
    """A rescan by annotation: there is no new generation to tell the runs apart."""
    watch = cluster.watch(scan)
    cluster.kubectl("annotate", "capscan", scan, f"capscan.dev/requestedAt={FIXED['startTime']}")
    watch.until(shows("Scanning", 1), "the first item")
    save("requested-scanning", first(watch.stop(), shows("Scanning", 1)))
    cluster.until_phase(scan, "Completed")


def dry_runs(cluster: Cluster, scan: str) -> None:
    """Of a scan without answers, and of one that has them; and what follows."""
    dry = cluster.apply_scan("dry", dryRun=True)
    cluster.until_phase(dry, "Completed")
    save("dry-run", cluster.scan(dry))
    watch = cluster.watch(scan)
    cluster.patch(scan, {"dryRun": True})
    watch.until(is_dry, "end of the dry run")
    cluster.patch(scan, {"dryRun": False})
    watch.until(shows("Scanning", 1), "the first item")
    versions = watch.stop()
    done = versions.index(first(versions, is_dry))
    save("dry-run-over-answers", versions[done])
    save("dry-run-edited", first(versions[done:], is_ahead))
    save("dry-run-scanning", first(versions[done:], shows("Scanning", 1)))
    cluster.until_phase(scan, "Completed")


def is_dry(scan: Json) -> bool:
    """A dry run is done, and the newest spec asks for no more."""
    return shows("Completed")(scan) and condition(scan["status"], "Complete")["reason"] == "DryRun"


def ends(cluster: Cluster) -> None:
    """The other ends of a run, and one that does not begin."""
    some = cluster.apply_scan("some", selector={"include": ["*.example.com", "*.example.org"]})
    none = cluster.apply_scan(
        "none", selector={"include": ["*.example.org"]}, maxFailedPercent=0, refresh="Always"
    )
    held = cluster.apply_scan("held", suspend=True)
    for scan, phase, name in (
        (some, "CompletedWithFailures", "completed-with-failures"),
        (none, "Failed", "failed"),
        (held, "Suspended", "suspended"),
    ):
        cluster.until_phase(scan, phase)
        save(name, cluster.scan(scan))


def stalls(cluster: Cluster, scan: str) -> None:
    """A permission that is missing: for a scan that never ran, and for one that has an answer."""
    role = cluster.kubectl("get", "clusterrole", "capscan", "-o", "yaml")
    rules = yaml.safe_load(role)["rules"]
    less = [rule for rule in rules if rule["apiGroups"] != ["apiextensions.k8s.io"]]
    cluster.kubectl(
        *("patch", "clusterrole", "capscan", "--type=merge", "-p", yaml.safe_dump({"rules": less}))
    )
    new = cluster.apply_scan("new")
    cluster.patch(scan, {"rescan": "3"})
    for name, stalled in (("stalled", new), ("rescan-stalled", scan)):
        cluster.until(stalled, lambda s: condition(s, "Stalled")["status"] == "True", "a stall")
        save(name, cluster.scan(stalled))


def main() -> int:
    """Capture them all."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.yaml"):
        old.unlink()
    with running() as (cluster, operator):
        cluster.create_crds(4)
        scan = first_run(cluster, operator)
        rescan(cluster, scan)
        requested(cluster, scan)
        dry_runs(cluster, scan)
        with Cluster(cluster.kubectl, "example.org") as broken:
            broken.create_crds(1, prefix="broken")
        ends(cluster)
        stalls(cluster, scan)
    with running() as (cluster, operator):
        capture_providers(cluster, operator)
    return 0


if __name__ == "__main__":
    sys.exit(main())
