"""Capabilities and CRDs that came back, were left, are changed by others or forged; one operator
serves all tests of this file.
"""

import base64
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import crd
from tests.installation import account_kubeconfig
from tests.kube.cluster_stub import Pki
from tests.kubectl import Kubectl
from tests.operator.api import CAPSCAN, Api, Watch
from tests.operator.cluster import Cluster, asked, condition
from tests.operator.process import Operator
from tests.operator.waiting import until

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
Json = dict[str, Any]


class World(Cluster):
    """A corner of the cluster, an operator that runs, and another user."""

    operator: Operator
    api: Api

    def crds(self, prefix: str, count: int) -> list[str]:
        return self.create_crds(count, prefix=prefix)

    def scan_of(self, prefix: str, **spec: Any) -> str:
        return self.apply_scan(prefix, selector={"include": [f"{prefix}*.{self.group}"]}, **spec)

    def asked(self) -> Counter[str]:
        return Counter(asked(self.operator.ledger))

    def run_again(self, scan: str, rescan: str) -> Json:
        self.patch(scan, {"rescan": rescan})
        return self.until(
            scan, lambda s: s.get("lastHandledRescan") == rescan and "completionTime" in s["run"],
            "another run",
        )  # fmt: skip

    def gone(self, path: str) -> None:
        """Delete an object, and wait until it is gone."""
        name = path.rpartition("/")[2]
        self.api.send("DELETE", path)
        parent = path.rpartition("/")[0]
        until(
            lambda: {item["metadata"]["name"] for item in self.api.get(parent)["items"]},
            lambda names: name not in names,
            f"end of {name}",
        )


@pytest.fixture(scope="module")
def world(installed: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("operator")
    with World(installed, f"returned{os.getpid()}.example.com") as world:
        world.operator = Operator(account_kubeconfig(installed, folder), folder)
        world.api = Api(installed.kubeconfig)
        world.operator.start(latency=0.3)
        yield world
        world.operator.close()
        world.api.close()
        world.remove()


def test_a_restored_capability_is_adopted_without_a_question(world: World) -> None:
    """The restore brings CRDs with other UIDs, and Capabilities without owners. One of its CRDs
    did not come back.
    """
    names = world.crds("back", 3)
    scan = world.scan_of("back")
    world.until_phase(scan, "Completed")
    saved = world.capabilities()
    for name in names:
        world.gone(f"{CRDS}/{name}")
        if name in world.capabilities():
            world.gone(f"{CAPSCAN}/capabilities/{name}")
    world.apply(*(crd(name.partition(".")[0], group=world.group) for name in names[:2]))
    for name in names:
        body = saved[name]
        metadata = {key: body["metadata"][key] for key in ("name", "labels", "annotations")}
        metadata["labels"] |= {"velero.io/restore-name": "r"}
        world.api.send(
            "POST", f"{CAPSCAN}/capabilities?fieldManager=velero-server",
            body | {"metadata": metadata},
        )  # fmt: skip
    before = world.asked()

    status = world.run_again(scan, "restored")

    assert status["progress"]["unchanged"] == 2
    assert world.asked() == before
    found = {name: one for name, one in world.capabilities().items() if name in names}
    assert sorted(found) == names[:2]
    for name, one in found.items():
        (owner,) = one["metadata"]["ownerReferences"]
        assert owner["uid"] == world.api.get(f"{CRDS}/{name}")["metadata"]["uid"]
        assert one["analysis"] == saved[name]["analysis"]
        marks, old = (body["metadata"]["annotations"] for body in (one, saved[name]))
        assert marks["capscan.dev/plan-key"] != old["capscan.dev/plan-key"]
        assert one["metadata"]["labels"]["velero.io/restore-name"] == "r"


def test_a_ca_bundle_that_churns_starts_no_run_of_a_scan_that_follows(
    world: World, tmp_path: Path
) -> None:
    pem = Pki.made(tmp_path).certificate.read_bytes()
    (name,) = world.crds("churn", 1)
    scan = world.scan_of("churn", follow=True)
    first = world.until_phase(scan, "Completed")
    key = world.capability(name)["metadata"]["annotations"]["capscan.dev/plan-key"]
    before = world.asked()

    with Watch(world.kubectl.kubeconfig, scan) as watch:
        for number in range(3):
            bundle = base64.b64encode(pem + b"\n" * number).decode()
            hook = {"url": "https://127.0.0.1:9/convert", "caBundle": bundle}
            webhook = {"conversionReviewVersions": ["v1"], "clientConfig": hook}
            conversion = {"strategy": "Webhook", "webhook": webhook}
            world.api.patch(f"{CRDS}/{name}", {"spec": {"conversion": conversion}})
        until(
            lambda: world.capability(name)["metadata"]["annotations"]["capscan.dev/plan-key"],
            lambda found: found != key,
            "note of the change",
        )

    assert world.asked() == before
    assert world.status(scan)["run"]["id"] == first["run"]["id"]
    told = [body["status"] for body in watch.bodies]
    assert all(condition(status, "Complete")["status"] == "True" for status in told)


def test_a_crd_that_never_ends_is_left_out(world: World) -> None:
    bodies = [crd(f"stuck{n:03}s", group=world.group, scope="Cluster") for n in range(2)]
    world.apply(*bodies)
    names = [body["metadata"]["name"] for body in bodies]
    path = f"/apis/{world.group}/v1/stuck001s"
    body = {
        "apiVersion": f"{world.group}/v1",
        "kind": bodies[1]["spec"]["names"]["kind"],
        "spec": {"size": 1},
        "metadata": {"name": "one", "finalizers": ["example.com/nobody-removes-me"]},
    }
    until(lambda: world.api.send("POST", path, body), bool, "object")
    world.api.send("DELETE", f"{CRDS}/{names[1]}")
    scan = world.scan_of("stuck", follow=True)
    try:
        status = world.until_phase(scan, "Completed")
        assert status["progress"]["total"] - status["progress"].get("skipped", 0) == 1
        assert names[1] not in world.capabilities()
        assert names[1] not in world.asked()
    finally:
        world.api.patch(f"{path}/one", {"metadata": {"finalizers": None}})


def test_a_namesake_of_another_group_hides_no_capability(world: World) -> None:
    """Its group comes first in the alphabet, so that `cap` and `capabilities` are its own."""
    (name,) = world.crds("named", 1)
    world.until_phase(world.scan_of("named"), "Completed")
    other = f"aaa.{world.group}"
    world.apply(crd("capabilities", group=other, kind="Capability", short_names=["cap"]))
    try:
        until(
            lambda: world.api.get(f"{CRDS}/capabilities.{other}")["status"].get("conditions") or (),
            lambda found: ("Established", "True") in {(c["type"], c["status"]) for c in found},
            "the other kind",
        )
        for kind in ("crdcap", "capabilities.capscan.dev"):
            found = world.kubectl("get", kind, name, "-o", "name")
            assert found == f"capability.capscan.dev/{name}\n"
    finally:
        world.gone(f"{CRDS}/capabilities.{other}")


def test_forged_marks_skip_no_question(world: World) -> None:
    """Somebody who may write Capabilities says that the run has been there already."""
    names = world.crds("forged", 6)
    scan = world.scan_of("forged", refresh="Always", parallelism=1)
    world.until_phase(scan, "Completed")
    world.patch(scan, {"rescan": "again"})
    run = world.until(
        scan, lambda s: s.get("lastHandledRescan") == "again" and s["progress"]["completed"] > 0,
        "a run at work",
    )["run"]["id"]  # fmt: skip
    marks = {
        "capscan.dev/run-id": run,
        "capscan.dev/failed-run": run,
        "capscan.dev/failed-reason": "\x1b[31m<b>" + "x" * 100_000,
    }
    for name in names[4:]:
        world.api.patch(f"{CAPSCAN}/capabilities/{name}", {"metadata": {"annotations": marks}})
    world.patch(scan, {"suspend": True})
    world.until_phase(scan, "Suspended")
    world.patch(scan, {"suspend": False})
    status = world.until_phase(scan, "Completed")

    assert {world.asked()[name] for name in names} == {2}
    assert status["run"]["id"] == run
    assert "xxx" not in str(status)
    for name in names:
        assert world.capability(name)["metadata"]["annotations"]["capscan.dev/run-id"] == run
