"""What a user does to a cluster, and what can be seen of it.

It goes without kubectl, which takes fifty times the processor time for each look.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.builders import crd
from tests.kubectl import Kubectl
from tests.operator.api import CAPSCAN, Api, Refused
from tests.operator.kubectl_watch import KubectlWatch
from tests.operator.waiting import WAIT_S, until

Json = dict[str, Any]

MODEL_KEY = "sk-right"
"""The key that the fixture `model` takes."""


@dataclass
class Cluster:
    """One test's part of the shared cluster: CRDs of a group of its own, and scans of those."""

    kubectl: Kubectl
    group: str
    scans: list[str] = field(default_factory=list)
    providers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._api = Api(self.kubectl.kubeconfig)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()

    def create_crds(self, count: int, prefix: str = "thing") -> list[str]:
        """Create that many CRDs; return their names, in order."""
        bodies = [crd(f"{prefix}{i:03}s", group=self.group) for i in range(count)]
        self.apply(*bodies)
        return [body["metadata"]["name"] for body in bodies]

    def apply(self, *bodies: Json) -> None:
        """Apply objects on the server's side, one after the other."""
        for body in bodies:
            self._api.apply(body)

    def apply_scan(self, name: str = "scan", **spec: Any) -> str:
        """Apply a scan of this test's CRDs, named for this test; return its name."""
        full = f"{name}-{self.group.partition('.')[0]}"
        wanted = {"selector": {"include": [f"*.{self.group}"]}, "progressInterval": "500ms"} | spec
        self.apply(
            {
                "apiVersion": "capscan.dev/v1alpha1",
                "kind": "CapabilityScan",
                "metadata": {"name": full},
                "spec": wanted,
            }
        )
        if full not in self.scans:
            self.scans.append(full)
        return full

    def apply_provider(self, name: str = "model", **spec: Any) -> str:
        """Apply an InferenceProvider, named for this test; return its name."""
        full = f"{name}-{self.group.partition('.')[0]}"
        self.apply(
            {
                "apiVersion": "capscan.dev/v1alpha1",
                "kind": "InferenceProvider",
                "metadata": {"name": full},
                "spec": {"protocol": "Anthropic", "model": "claude-haiku-4-5"} | spec,
            }
        )
        if full not in self.providers:
            self.providers.append(full)
        return full

    def provider(self, name: str) -> Json:
        """Return the status of an InferenceProvider."""
        status: Json = self._get("inferenceproviders", name).get("status") or {}
        return status

    def ready(self, name: str, reason: str, generation: int = 0) -> Json:
        """Wait until Ready has that reason on the provider, for this generation of its spec or a
        later one; return the condition.
        """
        until(
            lambda: self.provider(name),
            lambda s: (
                "conditions" in s
                and condition(s, "Ready")["reason"] == reason
                and s["observedGeneration"] >= generation
            ),
            f"{name} to be {reason}",
        )
        return condition(self.provider(name), "Ready")

    def generation(self, provider: str) -> int:
        """Return the generation of an InferenceProvider's spec as it is now."""
        return int(self._get("inferenceproviders", provider)["metadata"]["generation"])

    def stalled(self, scan: str, reason: str) -> Json:
        """Wait until Stalled has that reason on the scan; return the condition."""
        status = self.until(
            scan,
            lambda s: "conditions" in s and condition(s, "Stalled")["reason"] == reason,
            f"a stall: {reason}",
        )
        return condition(status, "Stalled")

    def set_key(self, key: str, secret: str = "model-key", **annotations: str) -> Json:
        """Put an API key where the operator may read it; return the reference to it.

        The annotations are capscan's, written with `_` for `-`.
        """
        name = f"{secret}-{self.group.partition('.')[0]}"
        named = {f"capscan.dev/{k.replace('_', '-')}": v for k, v in annotations.items()}
        self.apply(*_readable_secret(name, key, named))
        return {"name": name}

    def patch(self, name: str, spec: Json) -> None:
        """Edit a scan's spec."""
        self._api.patch(f"{CAPSCAN}/capabilityscans/{name}", {"spec": spec})

    def delete(self, name: str) -> None:
        """Delete a scan, where it is there."""
        with suppress(Refused):
            self._api.send("DELETE", f"{CAPSCAN}/capabilityscans/{name}")

    def scan(self, name: str) -> Json:
        """Return the scan as it is now."""
        return self._get("capabilityscans", name)

    def status(self, name: str) -> Json:
        """Return the status of a scan."""
        status: Json = self.scan(name).get("status") or {}
        return status

    def capability(self, name: str) -> Json:
        """Return one Capability."""
        return self._get("capabilities", name)

    def capabilities(self) -> dict[str, Json]:
        """Return the Capabilities of this test's CRDs, by name."""
        found = self._api.get(f"{CAPSCAN}/capabilities")["items"]
        names = {item["metadata"]["name"]: item for item in found}
        return {name: item for name, item in names.items() if name.endswith(f".{self.group}")}

    def until(
        self, name: str, accept: Callable[[Json], bool], what: str, timeout_s: float = WAIT_S
    ) -> Json:
        """Wait until the status is as wanted, and return it."""
        return until(lambda: self.status(name), accept, what, timeout_s)

    def until_phase(self, name: str, *phases: str, timeout_s: float = WAIT_S) -> Json:
        """Wait until the scan is in one of the phases; return its status."""
        wanted = " or ".join(phases)
        return self.until(name, lambda s: s.get("phase") in phases, wanted, timeout_s)

    def wait(self, name: str, timeout_s: int) -> str:
        """Wait with `kubectl wait`, as a script does; return what it prints."""
        return self.kubectl(
            *("wait", "--for=condition=Complete", f"capabilityscan/{name}"),
            f"--timeout={timeout_s}s",
            timeout_s=timeout_s + 5,
        )

    def until_settled(self, name: str, count: int) -> Json:
        """Wait until at least that many items are settled; return the status."""
        return self.until(name, lambda s: settled(s) >= count, f"{count} settled items")

    def watch(self, name: str) -> KubectlWatch:
        """Record every version of the scan, from the one that it has now."""
        watch = KubectlWatch(self.kubectl, name)
        watch.until(lambda _: True, "the first version")
        return watch

    def remove(self) -> None:
        """Delete the scans and providers; the CRDs stay, and disturb no other test."""
        paths = [f"capabilityscans/{name}" for name in self.scans]
        paths += [f"inferenceproviders/{name}" for name in self.providers]
        for path in paths:
            with suppress(Refused):  # gone already
                self._api.send("DELETE", f"{CAPSCAN}/{path}")

    def _get(self, plural: str, name: str) -> Json:
        """Return an object as kubectl shows it, without its managed fields."""
        found = self._api.get(f"{CAPSCAN}/{plural}/{name}")
        del found["metadata"]["managedFields"]
        return found


def _readable_secret(name: str, key: str, annotations: dict[str, str]) -> list[Json]:
    """Return a Secret, and the right of the operator's account to read this one and no other."""
    metadata = {"name": name, "namespace": "capscan-system"}
    rbac = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name], "verbs": ["get"]}
    account = {"kind": "ServiceAccount", "name": "capscan", "namespace": "capscan-system"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata | {"annotations": annotations},
            "stringData": {"api-key": key},
        },
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [account],
        },
    ]


def settled(status: Json) -> int:
    """Return how many items need nothing more."""
    progress = status.get("progress") or {}
    return sum(progress.get(key, 0) for key in ("completed", "unchanged", "failed", "skipped"))


def condition(status: Json, type_: str) -> Json:
    """Return the condition of that type."""
    (found,) = (c for c in status["conditions"] if c["type"] == type_)
    return dict(found)


def asked(ledger: Path) -> list[str]:
    """Return the CRD of every request that the provider got, in order."""
    return ledger.read_text().split() if ledger.exists() else []
