"""The status stays true under other writers, lost responses, namesakes, and user edits."""

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from tests.operator.api import SCANS, Api, Json, Storm, Watch, Write, removes_status, says
from tests.operator.cluster import Cluster, asked, condition
from tests.operator.process import Operator
from tests.operator.waiting import until
from tests.proxy import CountingProxy, Request
from tests.versions import flaws

PATCH_STATUS = Request("PATCH", "capabilityscans/{name}/status")
THEIRS = {
    "type": "PolicyChecked",
    "status": "True",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "reason": "Allowed",
    "message": "Nothing speaks against it.",
}
FORGED = THEIRS | {"type": "Complete", "observedGeneration": 99}
ACTS: list[Write] = [
    says(foreign="field"),
    says(conditions=[THEIRS, FORGED]),
    says(progress=None),
    says(progress={"total": 3, "completed": 7}, inFlight=["x" * 60 * 1024]),
    removes_status,
]


SEEDS = (1, 2, 3)
ROUNDS = 14
"""How often there is trouble, at least; on a slow machine more often, until enough was seen."""
TROUBLED: Json = {"parallelism": 2, "refresh": "Always", "progressInterval": "500ms"}


@pytest.fixture
def kubeconfig(cluster: Cluster) -> Path:
    """The kubeconfig of the administrator."""
    return cluster.kubectl.kubeconfig


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[Api]:
    """A connection of the administrator, without kubectl."""
    with Api(kubeconfig) as api:
        yield api


@pytest.mark.parametrize("writers", [1, 8])
def test_another_controller_that_writes_all_the_time_changes_nothing_in_the_end(
    cluster: Cluster, operator: Operator, kubeconfig: Path, api: Api, writers: int
) -> None:
    """It writes twenty times a second, or so often that a lock would never be had."""
    cluster.create_crds(25)
    operator.start(latency=0.3, fail="*thing00*")
    scan = cluster.apply_scan(parallelism=5, suspend=True)
    cluster.until_phase(scan, "Suspended")

    with Watch(kubeconfig, scan) as watch:
        with Storm(kubeconfig, scan, ACTS, writers=writers) as storm:
            storm.versions.add(api.edit(scan, suspend=False))
            operator.until_logged("is CompletedWithFailures")
            until(lambda: watch.bodies, lambda seen: _ended(seen, storm), "the end in the status")
        before = cluster.until(scan, lambda s: "10 failed" in s.get("message", ""), "our message")
        last = says(conditions=[THEIRS, FORGED])(api, scan, "mine")
        watch.catch_up(int(last["metadata"]["resourceVersion"]))
        after = cluster.until(scan, lambda s: "10 failed" in s["message"], "our message again")

    assert flaws(watch.bodies, {*storm.versions, int(last["metadata"]["resourceVersion"])}) == []
    assert before["progress"]["summary"] == "25/25"
    assert (before["progress"]["completed"], before["progress"]["failed"]) == (15, 10)
    assert condition(after, "PolicyChecked") == THEIRS
    ours = [c for c in before["conditions"] if c["type"] != "PolicyChecked"]
    assert after == before | {"conditions": [*ours, THEIRS]}
    assert len(asked(operator.ledger)) == 25


def _ended(seen: list[Json], storm: Storm) -> bool:
    """Return whether the end was written while others still wrote."""
    return any(
        "completionTime" in (body.get("status") or {}).get("run", {})
        and int(body["metadata"]["resourceVersion"]) not in storm.versions
        for body in seen
    )


def test_a_lost_response_neither_hangs_nor_counts_twice(
    cluster: Cluster, operator: Operator, kubeconfig: Path, tmp_path: Path
) -> None:
    cluster.create_crds(24)
    with CountingProxy(operator.kubeconfig, losing={PATCH_STATUS: 2}) as proxy:
        operator.kubeconfig = proxy.write_kubeconfig(tmp_path / "proxy.kubeconfig")
        operator.start(latency=0.3, fail="*thing00*")
        name = f"scan-{cluster.group.partition('.')[0]}"
        with Watch(kubeconfig, name) as watch:
            scan = cluster.apply_scan(parallelism=4)
            status = cluster.until_phase(scan, "CompletedWithFailures")
        operator.close()

    assert proxy.lost >= 2
    assert flaws(watch.bodies) == []
    assert (status["progress"]["completed"], status["progress"]["failed"]) == (14, 10)
    assert len(asked(operator.ledger)) == 24


def test_what_a_run_leaves_behind_is_gone_in_the_next_one(
    cluster: Cluster, operator: Operator, kubeconfig: Path, api: Api
) -> None:
    cluster.create_crds(24)
    operator.start(latency=0.25)
    scan = cluster.apply_scan(dryRun=True, parallelism=2)
    dry = cluster.until_phase(scan, "Completed")
    with Watch(kubeconfig, scan) as watch:
        api.edit(scan, dryRun=False)
        cluster.until(scan, lambda s: "eta" in s, "an ETA")
        done = cluster.until_phase(scan, "Completed")
        api.edit(scan, rescan="2")
        cluster.until(scan, lambda s: s.get("lastHandledRescan") == "2", "the rescan")
        again = cluster.until_phase(scan, "Completed")
    seen = [v["status"] for v in watch.bodies if v["status"]["run"]["id"] != dry["run"]["id"]]
    at_work = [status for status in seen if status["phase"] in {"Discovering", "Scanning"}]

    assert {"estimate"} <= dry.keys()
    assert any({"eta", "estimatedCompletionTime", "inFlight"} <= s.keys() for s in at_work)
    assert not any("estimate" in status for status in seen)
    assert not any({"completionTime", "duration"} & s["run"].keys() for s in at_work)
    for status in (done, again):
        assert not {"eta", "estimatedCompletionTime", "inFlight", "failedItems"} & status.keys()
        assert status["progress"]["inFlight"] == 0
    assert "throughputPerMinute" in done
    assert again["progress"]["unchanged"] == 24


def test_a_namesake_never_shows_a_number_of_the_one_before(
    cluster: Cluster, operator: Operator, kubeconfig: Path, api: Api
) -> None:
    """The scan is deleted and created again in mid-run, twice, under foreign writes."""
    cluster.create_crds(20)
    operator.start(latency=0.2, fail="*thing00*")
    name = f"scan-{cluster.group.partition('.')[0]}"
    with Watch(kubeconfig, name) as watch, Storm(kubeconfig, name, [says()], per_s=10) as storm:
        for settled in (4, 9):
            scan = cluster.apply_scan(parallelism=4, refresh="Always")
            cluster.until_settled(scan, settled)
            api.send("DELETE", f"{SCANS}/{scan}")
        scan = cluster.apply_scan(parallelism=10, refresh="Always")
        cluster.until_phase(scan, "CompletedWithFailures")
    ours = [v for v in watch.bodies if int(v["metadata"]["resourceVersion"]) not in storm.versions]
    firsts: dict[str, Json] = {}
    for version in ours:
        if "progress" in (version.get("status") or {}):
            firsts.setdefault(version["metadata"]["uid"], version["status"])

    assert flaws(watch.bodies, storm.versions) == []
    assert len(firsts) == 3
    assert {status["progress"]["summary"] for status in firsts.values()} == {"0/20"}
    assert all("lastRun" not in (v.get("status") or {}) for v in ours)
    assert {s["run"]["resumed"] for s in firsts.values()} == {0}


def test_no_version_of_a_troubled_run_is_untrue(
    cluster: Cluster, operator: Operator, kubeconfig: Path, api: Api
) -> None:
    """Three scans run at once, each with troubles of its own."""
    cluster.create_crds(16)
    operator.start(latency=0.15, fail="*thing000*")
    scans = [cluster.apply_scan(f"seed{seed}", **TROUBLED) for seed in SEEDS]
    randoms = [Random(seed) for seed in SEEDS]
    others: set[int] = set()
    with ExitStack() as stack:
        watches = [stack.enter_context(Watch(kubeconfig, scan)) for scan in scans]
        for n in itertools.count():
            if n >= ROUNDS and all(len(watch.versions) > 20 for watch in watches):
                break
            for scan, random in zip(scans, randoms, strict=True):
                others.add(_trouble(cluster, api, scan, n, random))
            # This is the rhythm of the trouble, not a wait for anything.
            time.sleep(randoms[0].choice([0.0, 0.05, 0.3, 0.6]))
        for scan in scans:
            others.add(api.edit(scan, suspend=False, rescan="last", parallelism=8))
        ends = [cluster.until(scan, _done, "the end") for scan in scans]

    assert [flaws(watch.bodies, others) for watch in watches] == [[], [], []]
    generations = [cluster.scan(scan)["metadata"]["generation"] for scan in scans]
    assert [status["observedGeneration"] for status in ends] == generations


def _trouble(cluster: Cluster, api: Api, scan: str, n: int, random: Random) -> int:
    """Let something happen to the scan; return the resourceVersion that it makes."""
    include = f"thing0{random.choice(['', '0', '1'])}*.{cluster.group}"
    match random.choice(["edit", "edit", "suspend", "go on", "rescan", "forge", "forge", "delete"]):
        case "edit":
            return api.edit(scan, selector={"include": [include]}, parallelism=random.randint(1, 4))
        case "suspend":
            return api.edit(scan, suspend=True)
        case "go on":
            return api.edit(scan, suspend=False)
        case "rescan":
            return api.edit(scan, suspend=random.random() < 0.3, rescan=str(n))
        case "forge":
            body = random.choice(ACTS)(api, scan, f"{n} ")
        case _:
            api.send("DELETE", f"{SCANS}/{scan}")
            body = api.send("POST", SCANS, _again(scan, f"*.{cluster.group}"))
    return int(body["metadata"]["resourceVersion"])


def _again(scan: str, include: str) -> Json:
    return {
        "apiVersion": "capscan.dev/v1alpha1",
        "kind": "CapabilityScan",
        "metadata": {"name": scan},
        "spec": TROUBLED | {"selector": {"include": [include]}},
    }


def _done(status: Json) -> bool:
    return status.get("lastHandledRescan") == "last" and "completionTime" in status["run"]
