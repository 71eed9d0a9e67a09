"""A scan that is kept in Git: who owns which fields, and what a tool that waits is told."""

import json
from typing import Any

import pytest

from tests.gitops.rules import kstatus
from tests.kubectl import Kubectl, KubectlError
from tests.operator.cluster import Cluster, Json, asked
from tests.operator.process import Operator
from tests.operator.waiting import until

GIT = "--field-manager=kustomize-controller"
UNCHECKED = "--validate=false"
"""kubectl would have the OpenAPI of every kind made anew; Flux asks for none."""


def manifest(cluster: Cluster, **spec: Any) -> str:
    """Return a scan as it lies in Git; `remove` of the fixture deletes it."""
    name = f"git-{cluster.group.partition('.')[0]}"
    cluster.scans.append(name)
    body = {
        "apiVersion": "capscan.dev/v1alpha1",
        "kind": "CapabilityScan",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "platform"}},
        "spec": {"selector": {"include": [f"*.{cluster.group}"]}, "progressInterval": "500ms"}
        | spec,
    }
    return json.dumps(body)


def sync(kubectl: Kubectl, text: str) -> Json:
    """Apply it on the server's side, as Flux does at each interval; return the object."""
    found: Json = json.loads(
        kubectl("apply", "--server-side", GIT, UNCHECKED, "-o", "json", "-f", "-", input=text)
    )
    return found


def test_the_operator_touches_nothing_but_the_status(cluster: Cluster, operator: Operator) -> None:
    """Nobody needs `ignoreDifferences`, and a tool that corrects drift finds none."""
    cluster.create_crds(3)
    operator.start(latency=0.3)
    text = manifest(cluster)
    before = sync(cluster.kubectl, text)
    name = before["metadata"]["name"]
    cluster.until_phase(name, "Completed")

    after = json.loads(
        cluster.kubectl("get", "capscan", name, "--show-managed-fields", "-o", "json")
    )
    git, *ours = after["metadata"].pop("managedFields")

    assert (git["manager"], git["operation"]) == ("kustomize-controller", "Apply")
    assert [entry["subresource"] for entry in ours] == ["status"]
    assert [list(entry["fieldsV1"]) for entry in ours] == [["f:status"]]
    assert after["spec"] == before["spec"]
    del before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"]
    assert after["metadata"] == before["metadata"]


def test_a_second_sync_differs_in_nothing(cluster: Cluster, operator: Operator) -> None:
    cluster.create_crds(3)
    operator.start()
    text = manifest(cluster)
    name = sync(cluster.kubectl, text)["metadata"]["name"]
    cluster.until_phase(name, "Completed")
    version = cluster.scan(name)["metadata"]["resourceVersion"]

    # Exit code 1, which raises, would be a difference.
    assert cluster.kubectl("diff", "--server-side", GIT, "-f", "-", input=text) == ""
    assert cluster.kubectl("diff", "--server-side", "-f", "-", input=text) == ""
    again = sync(cluster.kubectl, text)

    assert again["metadata"]["resourceVersion"] == version
    assert cluster.status(name)["run"]["trigger"] == "Created"


def test_kubectl_diff_shows_an_edit(cluster: Cluster) -> None:
    """So an empty diff in the test above means something."""
    sync(cluster.kubectl, manifest(cluster))

    with pytest.raises(KubectlError) as caught:
        cluster.kubectl(
            "diff", "--server-side", GIT, "-f", "-", input=manifest(cluster, rescan="2")
        )

    assert '+  rescan: "2"' in caught.value.output


def test_no_version_that_a_watcher_sees_is_current_before_it_is_done(
    cluster: Cluster, operator: Operator
) -> None:
    """This holds through a run, an edit that overtakes it, a suspend, and a rescan."""
    cluster.create_crds(4)
    operator.start(latency=1.5)
    name = sync(cluster.kubectl, manifest(cluster, parallelism=4))["metadata"]["name"]
    watch = cluster.watch(name)
    until(lambda: asked(operator.ledger), lambda a: len(a) == 4, "all at work")
    sync(cluster.kubectl, manifest(cluster, parallelism=4, refresh="Always"))
    watch.until(lambda v: kstatus(v) == "Current", "end of the run after the edit")
    sync(cluster.kubectl, manifest(cluster, refresh="Always", rescan="2", suspend=True))
    cluster.until_phase(name, "Suspended")
    sync(cluster.kubectl, manifest(cluster, refresh="Always", rescan="2"))
    watch.until(
        lambda v: v["status"].get("lastHandledRescan") == "2" and kstatus(v) == "Current",
        "end of the rescan",
    )
    current = [v for v in watch.stop() if kstatus(v) == "Current"]

    assert [v["metadata"]["generation"] for v in current] == [2, 4]
    assert [v["status"]["run"]["trigger"] for v in current] == ["SpecChanged", "Rescan"]
    assert {v["status"]["phase"] for v in current} == {"Completed"}
