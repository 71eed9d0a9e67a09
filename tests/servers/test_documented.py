"""The provider files of the docs, each against a stub that answers as that server documents.

What the screen says in each failure is printed too: the reason has to be true, and the message has
to say what to do.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.operator.cluster import Cluster, condition
from tests.operator.waiting import until
from tests.servers.exchanges import listening, negotiated
from tests.servers.refusals import ANY, REFUSALS, WAITS, Refusal
from tests.servers.scanning import failures, said_of, scan, usable
from tests.servers.stubs import STUBS, Stub

pytestmark = pytest.mark.timeout(200)

Say = Callable[[str], None]


def applied(cluster: Cluster, stub: Stub, url: str, **spec: Any) -> str:
    """Apply the provider as the docs write it, with the address of the stub."""
    wanted: dict[str, Any] = {
        "protocol": "OpenAI",
        "model": stub.model,
        "baseURL": url + stub.base,
    }
    if stub.key and "apiKeySecretRef" not in spec:
        wanted["apiKeySecretRef"] = cluster.set_key(stub.key)
    return cluster.apply_provider(**wanted | spec)


def screen(cluster: Cluster, provider: str, scan: str) -> tuple[str, str]:
    """What `kubectl get` and `describe` say of both; the reason, and all of the words."""
    status = cluster.status(scan)
    stalled = condition(status, "Stalled")
    lines = [said_of(cluster, provider), f"{status['phase']}: {status['message']}"]
    lines += [
        f"{i['reason']} ({i['attempts']}): {i['message']}"
        for i in status.get("failedItems", [])[:1]
    ]
    failed = {item["reason"] for item in status.get("failedItems", ())}
    return (stalled["reason"] if stalled["status"] == "True" else ",".join(failed)), "\n".join(
        lines
    )


@pytest.mark.parametrize("name", STUBS)
def test_the_file_of_the_docs_works_with_a_server_that_answers_as_documented(
    cluster: Cluster, say: Say, name: str
) -> None:
    stub, names = STUBS[name], cluster.create_crds(5)
    with listening(stub.handle()) as server:
        provider = applied(cluster, stub, server.url)
        cluster.ready(provider, "Usable")
        seen = scan(cluster, provider, names, within_s=40)
        say(f"{seen.line}; looks {server.looks}; questions {server.statuses}")
        say(f"negotiated: {negotiated(server.questions[-1].asked.body)}")

    assert seen.status["phase"] == "Completed"
    assert len(server.questions) <= 5 + 5


@pytest.mark.parametrize("name", [name for name, stub in STUBS.items() if stub.key])
def test_a_wrong_key_is_told_by_each_server_in_its_way(
    cluster: Cluster, say: Say, name: str
) -> None:
    stub = STUBS[name]
    cluster.create_crds(3)
    with listening(stub.handle()) as server:
        key = cluster.set_key("sk-wrong")
        provider = applied(cluster, stub, server.url, apiKeySecretRef=key)
        wanted = cluster.apply_scan(providerRef={"name": provider})
        reason, words = settled_screen(cluster, provider, wanted)
        say(words)

    assert reason == "InvalidCredentials"
    assert "sk-wrong" not in words


@pytest.mark.parametrize("name", STUBS)
def test_a_model_that_is_not_there_is_told_by_each_server_in_its_way(
    cluster: Cluster, say: Say, name: str
) -> None:
    stub = STUBS[name]
    cluster.create_crds(3)
    with listening(stub.handle()) as server:
        provider = applied(cluster, stub, server.url, model="another")
        wanted = cluster.apply_scan(providerRef={"name": provider})
        reason, words = settled_screen(cluster, provider, wanted)
        say(words)

    assert reason == "ModelNotFound"


@pytest.mark.parametrize("name", STUBS)
def test_a_base_url_without_its_path_is_told_as_such(cluster: Cluster, say: Say, name: str) -> None:
    stub = STUBS[name]
    cluster.create_crds(3)
    with listening(stub.handle()) as server:
        provider = applied(cluster, stub, server.url, baseURL=server.url)
        wanted = cluster.apply_scan(providerRef={"name": provider})
        reason, words = settled_screen(cluster, provider, wanted)
        say(words)

    assert reason == "InvalidProvider"
    assert "baseURL" in words


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_what_the_screen_says_when_a_server_refuses(
    cluster: Cluster, say: Say, refusal: Refusal
) -> None:
    stub = STUBS[refusal.server]
    cluster.create_crds(3)
    with listening(stub.handle(refusal.told)) as server:
        provider = applied(cluster, stub, server.url)
        wanted = cluster.apply_scan(providerRef={"name": provider})
        reason, words = settled_screen(cluster, provider, wanted)
        say(words)
        say(f"questions {server.statuses}")

    assert "<" not in words
    assert refusal.reason in {ANY, reason}
    if refusal.reason == WAITS:
        assert failures(cluster, wanted) == 0


def settled_screen(cluster: Cluster, provider: str, scan: str) -> tuple[str, str]:
    """The screen once it shows a trouble: a stall, failed CRDs, or what is waited for."""

    def troubled() -> bool:
        status = cluster.status(scan)
        waits = condition(status, "Reconciling")["reason"] == "WaitingForProvider"
        over = status["phase"] in {"Completed", "CompletedWithFailures", "Failed"}
        return waits or over or condition(status, "Stalled")["status"] == "True"

    until(troubled, bool, f"trouble of {scan}", 40.0)
    return screen(cluster, provider, scan)


def test_every_stub_is_usable_before_it_is_asked(cluster: Cluster) -> None:
    """A look that finds no card and no name in the list proves nothing."""
    for name, stub in STUBS.items():
        with listening(stub.handle()) as server:
            key = {"apiKeySecretRef": cluster.set_key(stub.key)} if stub.key else {}
            address = server.url + stub.base
            usable(cluster, name=name, protocol="OpenAI", model=stub.model, baseURL=address, **key)
