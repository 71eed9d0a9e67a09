"""Scans ask a model: the operator and the API server are real, the model is a fake behind HTTP."""

import re

import pytest

from tests.modelserver.process import ModelServerProcess
from tests.operator.cluster import MODEL_KEY, Cluster
from tests.operator.process import Operator

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("protocol", "name"), [("Anthropic", "claude-haiku-4-5"), ("OpenAI", "gpt-5-mini")]
)
def test_a_model_is_asked_about_every_crd_once(
    cluster: Cluster, operator: Operator, model: ModelServerProcess, protocol: str, name: str
) -> None:
    """The objects record what it answered, which model it was, and what it cost."""
    names = cluster.create_crds(12)
    provider = cluster.apply_provider(
        protocol=protocol,
        model=name,
        baseURL=f"{model.url}/v1",
        apiKeySecretRef=cluster.set_key(MODEL_KEY),
        pricing={"inputPerMillionTokens": "3", "outputPerMillionTokens": "15"},
    )
    operator.start()
    cluster.ready(provider, "Usable")
    scan = cluster.apply_scan(providerRef={"name": provider}, parallelism=4)
    status = cluster.until_phase(scan, "Completed")

    assert model.asked() == dict.fromkeys(names, 1)
    assert status["provider"] == provider
    assert status["usage"]["requests"] == 12
    assert status["usage"]["totalTokens"] > 12 * 100
    assert float(status["usage"]["cost"]) > 0
    assert status["latency"]["p50"].endswith("ms")
    capability = cluster.capability(names[0])
    assert capability["provenance"]["provider"] == provider
    assert capability["provenance"]["model"] == name
    assert capability["provenance"]["inputTokens"] > 100
    assert capability["analysis"]["capabilities"]

    cluster.patch(scan, {"rescan": "again"})
    again = cluster.until(scan, lambda s: s["run"]["trigger"] == "Rescan", "a rescan")
    again = cluster.until_phase(scan, "Completed")
    assert again["progress"]["unchanged"] == 12
    assert "usage" not in again
    assert sum(model.asked().values()) == 12


def test_a_budget_holds_with_many_questions_in_flight(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """It suffices for no question, then for ten; without a budget each is asked once."""
    names = cluster.create_crds(40)
    provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=cluster.set_key(MODEL_KEY))
    operator.start()
    scan = cluster.apply_scan(
        providerRef={"name": provider}, parallelism=32, budget={"maxTokens": 100}
    )
    written = re.search(r"to at least (\d+);", cluster.stalled(scan, "BudgetTooSmall")["message"])
    assert written is not None
    assert not model.asked()

    budget = 10 * int(written[1])
    cluster.patch(scan, {"budget": {"maxTokens": budget}})
    reached = cluster.stalled(scan, "BudgetReached")
    usage = cluster.status(scan)["usage"]
    assert reached["status"] == "True"
    assert budget / 2 < usage["totalTokens"] <= budget
    assert usage["requests"] == len(model.asked()) == len(cluster.capabilities()) >= 5

    cluster.patch(scan, {"budget": {"maxTokens": 0}})
    status = cluster.until_phase(scan, "Completed")
    assert model.asked() == dict.fromkeys(names, 1)
    assert status["usage"]["requests"] == 40
    assert status["run"]["trigger"] == "Created"


def test_kubectl_shows_a_provider_and_its_circuit(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=cluster.set_key(MODEL_KEY))
    operator.start()
    cluster.ready(provider, "Usable")
    table = cluster.kubectl("get", "inferenceproviders", provider)

    assert table.split()[:5] == ["NAME", "READY", "MODEL", "CIRCUIT", "INFLIGHTLIMIT"]
    assert table.split()[6:10] == [provider, "True", "claude-haiku-4-5", "Closed"]


def test_an_answer_is_kept_as_that_of_the_model_that_gave_it(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """The provider is edited in mid-run, and back: the next run asks about those again."""
    model.change(latency={"mean_s": 0.5}, models=["one", "two"])
    names = cluster.create_crds(24)
    key = cluster.set_key(MODEL_KEY)
    provider = cluster.apply_provider(model="one", baseURL=model.url, apiKeySecretRef=key)
    operator.start()
    scan = cluster.apply_scan(providerRef={"name": provider}, parallelism=2)
    cluster.until_settled(scan, 4)
    cluster.apply_provider(model="two", baseURL=model.url, apiKeySecretRef=key)
    cluster.until_settled(scan, 12)
    cluster.apply_provider(model="one", baseURL=model.url, apiKeySecretRef=key)
    cluster.until_phase(scan, "Completed")
    capabilities = cluster.capabilities().values()
    by_two = sum(one["provenance"]["model"] == "two" for one in capabilities)
    assert 0 < by_two < len(names)

    cluster.patch(scan, {"rescan": "2"})
    cluster.until(scan, lambda s: s.get("lastHandledRescan") == "2", "a rescan")
    status = cluster.until_phase(scan, "Completed")

    assert status["progress"]["completed"] >= by_two
    models = {one["provenance"]["model"] for one in cluster.capabilities().values()}
    assert models == {"one"}
