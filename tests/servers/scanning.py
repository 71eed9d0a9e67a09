"""One scan through the real operator, and what must hold of it whatever the server answers."""

import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.operator.cluster import Cluster, Json, condition, settled
from tests.operator.process import Operator
from tests.operator.waiting import until

CRDS = 20
SCAN_S_MAX = 90.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a user sees after a scan."""

    status: Json
    provider: Json
    capabilities: dict[str, Json]
    took_s: float

    @property
    def failed(self) -> dict[str, int]:
        """How many CRDs failed for which reason."""
        return dict(Counter(item["reason"] for item in self.status.get("failedItems", ())))

    @property
    def answers(self) -> dict[str, Json]:
        """What was stored; a CRD that failed has a Capability too, without an analysis."""
        found = {name: item.get("analysis") for name, item in self.capabilities.items()}
        return {name: analysis for name, analysis in found.items() if analysis}

    @property
    def line(self) -> str:
        """It in one line."""
        progress, usage = self.status["progress"], self.status.get("usage", {})
        return (
            f"{progress['completed']} of {progress['total']} answered in {self.took_s:.1f} s"
            f"{f', failed: {self.failed}' if self.failed else ''}; "
            f"{usage.get('requests', 0)} requests, {usage.get('totalTokens', 0)} tokens"
        )


def start(operator: Operator) -> None:
    """Start the operator as the manifests do."""
    operator.spawn(
        [
            *(sys.executable, "-m", "capscan", "operator"),
            f"--kubeconfig={operator.kubeconfig}",
            "--log-level=debug",
        ]
    )


def usable(cluster: Cluster, **spec: Any) -> str:
    """Apply a provider and wait until it can be asked; its name."""
    provider = cluster.apply_provider(**spec)
    cluster.ready(provider, "Usable")
    return provider


def scan(
    cluster: Cluster, provider: str, names: list[str], *, within_s: float = SCAN_S_MAX, **spec: Any
) -> Seen:
    """Scan them all, and hold against it what must always hold: no CRD is lost, counts agree with
    objects, and each failure has a reason and words.
    """
    began_s = time.monotonic()
    name = cluster.apply_scan(providerRef={"name": provider}, **spec)
    status = cluster.until_phase(
        name, "Completed", "CompletedWithFailures", "Failed", timeout_s=within_s
    )
    took_s = time.monotonic() - began_s
    found, progress = cluster.capabilities(), status["progress"]
    failed = {item["name"]: item for item in status.get("failedItems", ())}

    assert progress["total"] == len(names)
    assert settled(status) + progress.get("notAttempted", 0) == len(names)
    assert progress["failed"] == len(failed)
    assert set(found) | set(failed) == set(names)
    assert all(item["reason"] and item["message"] for item in failed.values())
    assert not any("<html" in item["message"] for item in failed.values())
    return Seen(status, cluster.provider(provider), found, took_s)


def held_back(cluster: Cluster, scan: str, reason: str = "", within_s: float = 30.0) -> str:
    """Wait until the scan says that it is Stalled, for that reason if one is given; its message."""

    def stalled(status: Json) -> bool:
        found = condition(status, "Stalled") if "conditions" in status else {"status": "Unknown"}
        return found["status"] == "True" and (reason or found["reason"]) == found["reason"]

    status = cluster.until(scan, stalled, f"stall {reason}", within_s)
    return str(condition(status, "Stalled")["message"])


def failures(cluster: Cluster, scan: str) -> int:
    """How many CRDs have failed so far."""
    return int(cluster.status(scan).get("progress", {}).get("failed", 0))


def said_of(cluster: Cluster, provider: str) -> str:
    """Wait until the provider has been judged; its reason and message."""
    status = until(
        lambda: cluster.provider(provider),
        lambda s: "conditions" in s and condition(s, "Ready")["reason"] != "Checking",
        f"a verdict on {provider}",
    )
    ready = condition(status, "Ready")
    return f"Ready={ready['status']} {ready['reason']}: {ready['message']}"
