"""Captures InferenceProviders of an operator at work, with a model server that misbehaves."""

import json
from contextlib import ExitStack

from tests.gitops.recording import save
from tests.modelserver.behaviour import Behaviour
from tests.modelserver.faults import Fault
from tests.modelserver.process import ModelServerProcess
from tests.modelserver.process import running as serving
from tests.operator.cluster import Cluster, Json
from tests.operator.process import Operator
from tests.operator.waiting import until

KEY = "sk-right"
CLOSED_PORT = "http://127.0.0.1:9"


def capture_providers(cluster: Cluster, operator: Operator) -> None:
    """Capture every state that the tools have to judge. The operator is not started yet."""
    with ExitStack() as stack:

        def server(**behaviour: object) -> ModelServerProcess:
            return stack.enter_context(serving(Behaviour.model_validate(behaviour)))

        model = server(keys=[KEY])
        slow = server(faults=[Fault(kind="hang", on="models")])
        elsewhere = server(faults=[Fault(kind="redirect", on="models")])
        right: Json = {"baseURL": model.url, "apiKeySecretRef": cluster.set_key(KEY)}
        name = cluster.apply_provider(**right)
        save("provider-created", provider(cluster, name))
        operator.start()

        waits = cluster.apply_provider("waits", baseURL=f"{slow.url}/v1", protocol="OpenAI")
        settle(cluster, waits, "Checking", "provider-checking")
        settle(cluster, name, "Usable", "provider-usable")
        patched = edit(cluster, name, {"requestTimeout": "30s"}, "-o", "json")
        save("provider-edited", json.loads(patched))
        settle(
            cluster,
            cluster.apply_provider("alone", fallbackRef={"name": "nosuch"}, **right),
            "Usable",
            "provider-fallback-missing",
        )
        faults(cluster, right, elsewhere)
        away = cluster.apply_provider("away", baseURL=CLOSED_PORT, protocol="OpenAI")
        settle(cluster, away, "ProviderUnavailable", "provider-away")
        deletion(cluster, cluster.apply_provider("leaves", **right))
        outage(cluster, name, model)


def faults(cluster: Cluster, right: Json, elsewhere: ModelServerProcess) -> None:
    """What somebody has to mend, and one that somebody did mend."""
    wrong = cluster.set_key("sk-wrong", "wrong-key")
    gone = cluster.set_key(KEY, "gone-key")
    cluster.kubectl("delete", "secret", gone["name"], "-n", "capscan-system")
    cases: list[tuple[str, Json, str]] = [
        ("wrong-key", {"apiKeySecretRef": wrong}, "InvalidCredentials"),
        ("secret-missing", {"apiKeySecretRef": gone}, "SecretNotFound"),
        ("address-wrong", {"baseURL": elsewhere.url}, "InvalidProvider"),
        ("loops", {"fallbackRef": {"name": "back-example"}}, "FallbackLoop"),
    ]
    cluster.apply_provider("back", **right, fallbackRef={"name": "loops-example"})
    for name, spec, reason in cases:
        settle(cluster, cluster.apply_provider(name, **(right | spec)), reason, f"provider-{name}")
    unknown = cluster.apply_provider("model-unknown", **right, model="claude-0")
    cluster.create_crds(1)
    asks = cluster.apply_scan("asks-unknown", providerRef={"name": unknown})
    settle(cluster, unknown, "ModelNotFound", "provider-model-unknown")
    cluster.patch(asks, {"suspend": True})
    cluster.set_key(KEY, "wrong-key")
    settle(cluster, "wrong-key-example", "Usable", "provider-healed")


def outage(cluster: Cluster, name: str, model: ModelServerProcess) -> None:
    """Questions find out that nobody answers; nothing else can."""
    cluster.create_crds(30)
    model.change(outages=[{"at_s": 0, "for_s": 1e9}])
    scan = cluster.apply_scan("asks", providerRef={"name": name})
    settle(cluster, name, "CircuitOpen", "provider-circuit-open")
    cluster.patch(scan, {"suspend": True})
    model.change(outages=[])


def deletion(cluster: Cluster, name: str) -> None:
    """Held up by somebody's finalizer: capscan has none, and looks after it no longer."""
    cluster.ready(name, "Usable")
    finalize = '{"metadata": {"finalizers": ["example.com/hold"]}}'
    cluster.kubectl("patch", "iprov", name, "--type=merge", "-p", finalize)
    cluster.kubectl("delete", "iprov", name, "--wait=false")
    found = until(
        lambda: provider(cluster, name),
        lambda seen: "deletionTimestamp" in seen["metadata"],
        "a provider that is being deleted",
    )
    save("provider-deleted", found)


def settle(cluster: Cluster, name: str, reason: str, capture: str) -> None:
    """Wait for that reason of Ready, and save the provider."""
    cluster.ready(name, reason)
    # The circuit tries now and then: whoever looks sees it open, or half open.
    found = until(
        lambda: provider(cluster, name),
        lambda seen: seen["status"].get("circuit") != "HalfOpen",
        f"{name} at rest",
    )
    save(capture, found)


def edit(cluster: Cluster, name: str, spec: Json, *flags: str) -> str:
    """Edit its spec."""
    patch = json.dumps({"spec": spec})
    return cluster.kubectl("patch", "iprov", name, "--type=merge", "-p", patch, *flags)


def provider(cluster: Cluster, name: str) -> Json:
    """The InferenceProvider as it now is."""
    found: Json = json.loads(cluster.kubectl("get", "iprov", name, "-o", "json"))
    return found
