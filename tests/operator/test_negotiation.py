"""Model servers that know little of what they are asked: what that costs, and for how long."""

import pytest

from tests.modelserver.process import ModelServerProcess
from tests.operator.cluster import MODEL_KEY, Cluster
from tests.operator.process import Operator

pytestmark = pytest.mark.slow

HARSHEST = {
    "latency": {"mean_s": 0.02},
    "system_role": False,
    "response_formats": [],
    "unsupported": ["max_tokens"],
    "tool_choices": [],
    "cache_marks": False,
}
"""No system prompt of its own, no schema, no tool, no mark for the cache, another name."""


def refused(model: ModelServerProcess) -> int:
    return sum(call["status"] == 400 for call in model.calls())


def test_a_server_is_negotiated_with_once_and_then_answers_all_crds(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """Over either protocol four parts of a request are refused, each of them once; no CRD loses an
    attempt by that, and the next scan loses no request.
    """
    model.change(**HARSHEST)
    names = cluster.create_crds(12)
    operator.start()
    for protocol, name in (("OpenAI", "gpt-5-mini"), ("Anthropic", "claude-haiku-4-5")):
        provider = cluster.apply_provider(
            protocol.lower(),
            protocol=protocol,
            model=name,
            baseURL=f"{model.url}/v1",
            apiKeySecretRef=cluster.set_key(MODEL_KEY),
        )
        cluster.ready(provider, "Usable")
        before = refused(model)
        scan = cluster.apply_scan(
            protocol.lower(), providerRef={"name": provider}, parallelism=1, refresh="Always"
        )
        status = cluster.until_phase(scan, "Completed")

        assert status["progress"]["completed"] == 12
        assert refused(model) - before == 4
        provenances = [each["provenance"] for each in cluster.capabilities().values()]
        assert {each["model"] for each in provenances} == {name}
        assert {each["attempts"] for each in provenances} == {1}

        cluster.patch(scan, {"rescan": "again"})
        cluster.until(scan, lambda s: s["run"]["trigger"] == "Rescan", "a rescan")
        cluster.until_phase(scan, "Completed")
        assert refused(model) - before == 4
    assert model.asked() == dict.fromkeys(names, 4)
