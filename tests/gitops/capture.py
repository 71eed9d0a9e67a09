"""Writes captured/*.yaml: a CapabilityScan of a real run for every state there is to be judged.

    python -m tests.gitops.capture

The operator works on a real API server, and a watch sees every version. What differs from one
capture to the next, as times and ids do, is made the same; conditions are kept to the letter. The
phase Pending alone is not here: nobody sees it but with a stall.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from capscan.localplane.plane import Plane
from tests.kubectl import Kubectl
from tests.operator.cluster import Cluster, Json, condition, settled
from tests.operator.conftest import account_kubeconfig, install
from tests.operator.process import Operator

FOLDER = Path(__file__).parent / "captured"
LATENCY_S = 1.2
"""Of one answer: several writes of the status, and looks at it, fit in between."""

FIXED = {
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "startTime": "2026-01-01T00:00:01Z",
    "lastTransitionTime": "2026-01-01T00:00:02Z",
    "time": "2026-01-01T00:00:03Z",
    "completionTime": "2026-01-01T00:00:04Z",
    "estimatedCompletionTime": "2026-01-01T00:00:05Z",
    "duration": "3s",
    "eta": "1s",
    "throughputPerMinute": 60,
    "owner": "operator",
}
"""What a field is set to where it is present."""

DROPPED = {"uid", "resourceVersion", "managedFields"}

Accept = Callable[[Json], bool]


def normalised(scan: Json) -> Json:
    """The scan without what chance or the clock put into it."""
    ids: dict[str, str] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(item) for item in value]
        if not isinstance(value, dict):
            return value
        kept = {key: walk(inner) for key, inner in value.items() if key not in DROPPED}
        if "id" in kept:
            kept["id"] = ids.setdefault(kept["id"], f"run{len(ids) + 1}")
        return kept | {key: FIXED[key] for key in kept.keys() & FIXED.keys()}

    found: Json = walk(scan)
    if "inFlight" in found["status"]:
        found["status"]["inFlight"] = ["thing000s.example.com"]  # CRDs come in no fixed order
    return found


def save(name: str, scan: Json) -> None:
    """Write one capture."""
    text = yaml.safe_dump(normalised(scan), sort_keys=True, width=100, allow_unicode=True)
    (FOLDER / f"{name}.yaml").write_text(text, encoding="utf-8")
    print(f"{name}: {scan['status'].get('message', 'no message')}")  # noqa: T201


def first(versions: list[Json], accept: Accept) -> Json:
    """The first version that is as wanted."""
    return next(version for version in versions if accept(version))


def shows(phase: str, done: int | None = None) -> Accept:
    """In this phase, observed, and with that many items settled."""

    def accept(scan: Json) -> bool:
        status = scan["status"]
        return (
            status.get("phase") == phase
            and status["observedGeneration"] == scan["metadata"]["generation"]
            and (done is None or settled(status) == done)
        )

    return accept


def is_ahead(scan: Json) -> bool:
    """Edited, and the edit was not seen yet."""
    ahead: bool = scan["metadata"]["generation"] > scan["status"]["observedGeneration"] > 0
    return ahead


@contextmanager
def running() -> Iterator[tuple[Cluster, Operator]]:
    """A control plane of its own with capscan installed; the operator is not started."""
    with tempfile.TemporaryDirectory(prefix="capscan-capture-") as name:
        folder = Path(name)
        plane = Plane(folder / "plane")
        info = plane.up()
        try:
            kubectl = Kubectl(info.kubectl, info.kubeconfig)
            install(kubectl)
            operator = Operator(account_kubeconfig(kubectl, folder), folder)
            try:
                yield Cluster(kubectl, "example.com"), operator
            finally:
                operator.close()
        finally:
            plane.down()


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
        broken = Cluster(cluster.kubectl, "example.org")
        broken.create_crds(1, prefix="broken")
        ends(cluster)
        stalls(cluster, scan)
    return 0


if __name__ == "__main__":
    sys.exit(main())
