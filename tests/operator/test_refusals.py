"""How servers and gateways refuse, told to a real operator: what it does, and what its status says.

What each refusal is called is a table in tests/inference/api/test_refusal.py.
"""

import json

import pytest

from tests.modelserver.process import ModelServerProcess
from tests.operator.cluster import MODEL_KEY, Cluster, condition
from tests.operator.process import Operator
from tests.operator.waiting import until

pytestmark = pytest.mark.slow


def refused(status: int, body: object, **more: object) -> list[dict[str, object]]:
    """Return a fault that refuses every question."""
    text = body if isinstance(body, str) else json.dumps(body)
    return [{"kind": "status", "status": status, "text": text} | more]


def test_an_empty_account_stalls_the_scan_in_whatever_way_it_is_told(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """No CRD fails, and the message has the provider's own words. A limit for a minute that speaks
    of quota and billing is waited for, and a card that is refused beside a list keeps nobody away.
    """
    cluster.create_crds(8)
    told = "Account a is suspended, possibly due to reaching the monthly spending limit"
    model.change(faults=refused(412, {"error": {"message": told, "code": "PRECONDITION_FAILED"}}))
    provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=cluster.set_key(MODEL_KEY))
    operator.start()
    scan = cluster.apply_scan(providerRef={"name": provider}, parallelism=2)

    status = cluster.until(
        scan,
        lambda s: "conditions" in s and condition(s, "Stalled")["reason"] == "InsufficientQuota",
        "a stall",
    )
    assert told in condition(status, "Stalled")["message"]
    assert status["progress"].get("failed", 0) == 0
    assert len([call for call in model.calls() if call["status"] == 412]) <= 4

    wait = {"@type": "RetryInfo", "retryDelay": "3s"}
    words = "You exceeded your current quota, please check your plan and billing details."
    body = [{"error": {"code": 429, "message": words, "details": [wait]}}]
    card = {"on": "models", "names": "claude-*", "kind": "status", "status": 401}
    model.change(faults=[*refused(429, body, times=1), card])
    key = cluster.set_key(MODEL_KEY)
    cluster.apply_provider(baseURL=f"{model.url}/v1", apiKeySecretRef=key)
    done = cluster.until_phase(scan, "Completed")

    assert done["progress"]["failed"] == 0
    limited = until(
        lambda: cluster.provider(provider), lambda s: "lastRateLimit" in s, "a word on the 429"
    )
    assert limited["lastRateLimit"]["retryAfter"] == "3s"
    assert words in limited["lastRateLimit"]["message"]


def test_an_outage_told_as_a_page_of_a_gateway_is_waited_out(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """For 12 s every answer is a page with status 521, and no CRD fails of it."""
    cluster.create_crds(60)
    model.change(latency={"mean_s": 0.2})
    provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=cluster.set_key(MODEL_KEY))
    operator.start()
    scan = cluster.apply_scan(providerRef={"name": provider}, parallelism=4)
    cluster.until_settled(scan, 8)

    model.change(outages=[{"at_s": 0, "for_s": 12, "how": "521"}])
    down = cluster.ready(provider, "CircuitOpen")
    status = cluster.until_phase(scan, "Completed", "CompletedWithFailures", "Failed")

    assert status["progress"]["failed"] == 0
    assert status["progress"]["completed"] == 60
    assert "521: models.example.com | 521: Web server is down" in down["message"]
    assert "<" not in down["message"]
