"""A real operator logs for machines and for people, and never logs its credentials."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.builders import crd
from tests.installation import ROOT
from tests.operator.cluster import Cluster
from tests.operator.process import Operator

TEXT_LINE = re.compile(
    r"\d{4}-\d\d-\d\d [\d:,]{12} (DEBUG|INFO|WARNING|ERROR) +capscan[\w.]*: \S.*"
)


@pytest.fixture(autouse=True)
def _soon_drained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the operator stop without waiting for answers that take a minute."""
    monkeypatch.setenv("CAPSCAN_DRAIN_SECONDS", "0.2")


def at_work(cluster: Cluster, operator: Operator) -> str:
    """Let the operator take most of its decisions; return the scan's name.

    A run is interrupted, resumed and suspended, an item fails, a Capability is orphaned.
    """
    names = cluster.create_crds(4)
    cluster.apply(crd("bads", group=cluster.group))
    operator.start(fail="bads.*")
    name = cluster.apply_scan()
    cluster.until_phase(name, "CompletedWithFailures")
    cluster.kubectl("delete", "crd", names[0])
    cluster.patch(name, {"rescan": "1", "parallelism": 1})
    cluster.until(name, lambda s: s.get("lastHandledRescan") == "1", "a second run")
    operator.stop()
    operator.start(latency=60)
    cluster.patch(name, {"refresh": "Always"})
    # Of the run that the edit made: its id must be there to be taken up.
    cluster.until(
        name,
        lambda s: s["run"]["trigger"] == "SpecChanged" and s["phase"] == "Scanning",
        "the edit's run",
    )
    operator.stop()
    operator.start(latency=60)
    cluster.until(name, lambda s: s.get("run", {}).get("resumed") == 1, "a resumed run")
    cluster.patch(name, {"suspend": True})
    cluster.until_phase(name, "Suspended")
    operator.stop()
    return name


def credentials(kubeconfig: Path) -> list[str]:
    """Return the parts of the token, none of which a log line may contain."""
    (user,) = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))["users"]
    return [part for part in user["user"]["token"].split(".") if len(part) > 10]


def about(lines: list[dict[str, Any]], part: str) -> dict[str, Any]:
    """Return the first line with that in its message."""
    found = [line for line in lines if part in line["message"]]
    assert found, f"no line with {part!r}"
    return found[0]


def test_the_log_that_the_manifests_ask_for_is_json_in_every_line(
    cluster: Cluster, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run, the CRD and the reason have fields of their own."""
    monkeypatch.setenv("CAPSCAN_CONFIG", str(ROOT / "manifests" / "config.yaml"))
    monkeypatch.setenv("CAPSCAN_PROBE_PORT", "0")

    scan = at_work(cluster, operator)

    lines = [json.loads(line) for line in operator.log.splitlines()]
    assert about(lines, "starts with")["configuration"]["logFormat"] == "json"
    mine = [line for line in lines if line.get("scan") == scan]
    started = about(mine, "starts (Created)")
    failed = about(mine, "bads")
    ended = about(mine, "is CompletedWithFailures")
    resumed = about(mine, "goes on where it was")
    about(lines, "told to stop by SIGTERM")
    about(mine, "its CRD is gone")
    assert started["trigger"] == "Created"
    assert failed["crd"] == f"bads.{cluster.group}"
    assert (failed["reason"], failed["attempts"]) == ("RequestRejected", 1)
    assert started["run"] == failed["run"] == ended["run"] != resumed["run"]
    assert about(mine, "suspended")["run"] == resumed["run"]
    assert [secret for secret in credentials(operator.kubeconfig) if secret in operator.log] == []


def test_the_log_for_people_has_one_line_for_each_decision(
    cluster: Cluster, operator: Operator
) -> None:
    """A line says when, how serious, who and what; none has credentials in it."""
    scan = at_work(cluster, operator)

    lines = operator.log.splitlines()
    assert [line for line in lines if not TEXT_LINE.fullmatch(line)] == []
    assert [line for line in lines if f"{scan}: run" in line and "starts (Created)" in line] != []
    assert [secret for secret in credentials(operator.kubeconfig) if secret in operator.log] == []
