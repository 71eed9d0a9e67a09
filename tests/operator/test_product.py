"""`capscan operator` itself meets odd CRDs, answers probes, and finds no cluster."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from capscan.localplane.servers import free_ports
from tests.builders import crd
from tests.installation import install
from tests.operator.cluster import Cluster
from tests.operator.process import Operator
from tests.operator.waiting import until

COMMAND = (sys.executable, "-m", "capscan", "operator")


def deep(levels: int) -> dict[str, Any]:
    """Return a schema of an object in an object, that many times."""
    schema: dict[str, Any] = {"type": "string", "description": "The innermost."}
    for level in range(levels):
        schema = {"type": "object", "properties": {f"level{level}": schema}}
    return schema


def wide(fields: int) -> dict[str, Any]:
    """Return a schema of megabytes."""
    text = "A field that has a great deal to say for itself. " * 14
    fields_ = {f"field{i:04}": {"type": "string", "description": text} for i in range(fields)}
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": fields_}}}


def unserved(group: str) -> dict[str, Any]:
    """Return a CRD of which no version is served; the API server accepts it."""
    body = crd("ghosts", group=group)
    for version in body["spec"]["versions"]:
        version["served"] = False
    return body


def with_schema(plural: str, group: str, schema: dict[str, Any]) -> dict[str, Any]:
    body = crd(plural, group=group)
    body["spec"]["versions"][0]["schema"] = {"openAPIV3Schema": schema}
    return body


def odd_crds(group: str) -> list[dict[str, Any]]:
    return [
        unserved(group),
        with_schema(
            "blobs", group, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        ),
        with_schema("abysses", group, deep(38)),
        with_schema("plains", group, wide(2000)),
        with_schema(
            "umlauts", group, {"type": "object", "description": "Größe, 数据库, и ещё; fünf 🐘."}
        ),
        with_schema("empties", group, {"type": "object"}),
        with_schema(
            "choices",
            group,
            {
                "type": "object",
                "properties": {
                    "spec": {
                        "type": "object",
                        "properties": {"operator": {"type": "string", "enum": ["=", "!=", "true"]}},
                    }
                },
            },
        ),
    ]


def test_odd_crds_all_get_an_analysis(cluster: Cluster, operator: Operator, tmp_path: Path) -> None:
    for number, body in enumerate(odd_crds(cluster.group)):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(body))
        cluster.kubectl("create", "--validate=false", "-f", str(path))
    operator.spawn([*COMMAND, "--kubeconfig", str(operator.kubeconfig)])
    scan = cluster.apply_scan()

    status = cluster.until_phase(scan, "Completed", "CompletedWithFailures")

    assert status.get("failedItems") is None
    assert status["progress"]["completed"] == len(odd_crds(cluster.group))
    assert (status["provider"], status["model"]) == ("offline", "rules/1")
    for capability in cluster.capabilities().values():
        assert capability["analysis"]["description"]
        assert capability["analysis"]["confidence"] < 0.7
        assert len(json.dumps(capability)) < 8 * 1024


@pytest.mark.usefixtures("installed_again")
def test_probes_say_when_it_is_alive_and_when_it_does_its_job(
    cluster: Cluster, operator: Operator
) -> None:
    port = next(iter(free_ports()))
    cluster.kubectl("delete", "crd", "capabilityscans.capscan.dev")
    operator.start(probe_port=port)

    until(lambda: ask(port, "livez"), lambda a: a == (200, "ok\n"), "life")
    status, _ = until(lambda: ask(port, "readyz"), lambda a: "not installed" in a[1], "a reason")
    assert status == 503

    install(cluster.kubectl)
    until(lambda: ask(port, "readyz"), lambda a: a == (200, "ok\n"), "readiness")


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except URLError as error:
        return 0, str(error)


@pytest.mark.parametrize(
    ("kubeconfig", "says"),
    [
        (None, "no such file"),
        ("not: [a, kubeconfig", "no cluster to talk to"),
        ("apiVersion: v1\nkind: Config\ncurrent-context: gone\n", "no cluster to talk to"),
    ],
)
def test_without_a_cluster_it_says_what_to_do(
    tmp_path: Path, kubeconfig: str | None, says: str
) -> None:
    path = tmp_path / "kubeconfig"
    if kubeconfig is not None:
        path.write_text(kubeconfig)

    done = subprocess.run(
        [*COMMAND, "--kubeconfig", str(path)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 3
    assert says in done.stderr
    assert "capscan local up" in done.stderr
    assert "Traceback" not in done.stderr
