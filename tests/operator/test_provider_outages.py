"""A model is away or asks to wait, and another provider stands in for it."""

import pytest

from tests.modelserver.behaviour import Behaviour, Latency
from tests.modelserver.faults import Fault
from tests.modelserver.process import ModelServerProcess, running
from tests.operator.cluster import MODEL_KEY, Cluster, condition
from tests.operator.process import Operator
from tests.operator.waiting import until

pytestmark = pytest.mark.slow


def test_the_run_waits_through_an_outage_and_the_status_says_so(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """No item is lost, few requests are in vain, and the run goes on by itself."""
    model.change(latency={"mean_s": 0.8})
    names = cluster.create_crds(60)
    provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=cluster.set_key(MODEL_KEY))
    operator.start()
    scan = cluster.apply_scan(providerRef={"name": provider}, parallelism=10)
    cluster.until_settled(scan, 10)

    model.change(outages=[{"at_s": 0, "for_s": 1e9}])
    waiting = cluster.until(
        scan, lambda s: s["message"].startswith(f"Waiting for {provider}"), "a word on the outage"
    )
    assert condition(waiting, "Reconciling")["reason"] == "WaitingForProvider"
    assert condition(waiting, "Stalled")["status"] == "False"
    assert cluster.ready(provider, "CircuitOpen")["status"] == "False"
    in_vain = [call for call in model.calls() if call["status"] == 503]
    assert len(in_vain) < 30

    model.change(outages=[])
    status = cluster.until_phase(scan, "Completed")
    assert status["progress"]["failed"] == 0
    assert status["progress"]["completed"] == 60
    answered = {call["name"] for call in model.calls() if call["status"] == 200}
    assert answered <= {*names, "", None}
    cluster.ready(provider, "Usable")


def test_another_provider_stands_in_while_the_circuit_is_open_and_gives_back(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    with running(Behaviour(latency=Latency(mean_s=0.1))) as second:
        model.change(latency={"mean_s": 0.1})
        cluster.create_crds(150)
        spare = cluster.apply_provider(
            "spare", protocol="OpenAI", model="qwen3:8b", baseURL=f"{second.url}/v1"
        )
        provider = cluster.apply_provider(
            baseURL=model.url,
            apiKeySecretRef=cluster.set_key(MODEL_KEY),
            fallbackRef={"name": spare},
        )
        operator.start()
        scan = cluster.apply_scan(providerRef={"name": provider}, parallelism=5)
        cluster.until_settled(scan, 10)

        model.change(outages=[{"at_s": 0, "for_s": 1e9}])
        until(lambda: len(second.asked()), lambda n: n > 20, "the spare one to be asked")
        told = f"Asking {spare} while {provider} is away."
        until(lambda: cluster.status(scan)["message"], lambda said: told in said, told)
        model.change(outages=[])
        until(lambda: len(model.asked()), lambda n: n > 10, "the first one to be asked again")
        status = cluster.until_phase(scan, "Completed")

    assert status["progress"]["failed"] == 0
    assert status["provider"] == provider
    by = {one["provenance"]["provider"] for one in cluster.capabilities().values()}
    assert by == {provider, spare}


def test_a_fallback_that_the_spec_no_longer_names_is_left_at_once(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """The fallback had asked to wait for a day."""
    cluster.create_crds(20)
    key = cluster.set_key(MODEL_KEY)
    day = Fault(kind="status", status=429, retry_after="86400")
    with running(Behaviour(faults=(day,))) as second:
        spare = cluster.apply_provider(
            "spare", protocol="OpenAI", model="qwen3:8b", baseURL=f"{second.url}/v1"
        )
        named = {"name": spare}
        provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=key, fallbackRef=named)
        operator.start()
        cluster.ready(provider, "Usable")
        model.change(outages=[{"at_s": 0, "for_s": 1e9}])
        scan = cluster.apply_scan(providerRef={"name": provider}, parallelism=5)
        until(second.calls, lambda calls: any(c["status"] == 429 for c in calls), "a day to wait")

        cluster.apply_provider(baseURL=model.url, apiKeySecretRef=key)
        model.change(outages=[])
        status = cluster.until_phase(scan, "Completed")

    assert status["progress"]["completed"] == 20


def test_the_status_says_that_the_provider_asked_to_wait_for_a_day(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """A suspend is obeyed at once all the same."""
    cluster.create_crds(8)
    provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=cluster.set_key(MODEL_KEY))
    operator.start()
    cluster.ready(provider, "Usable")
    model.change(faults=[{"kind": "status", "status": 429, "retry_after": "86400"}])
    scan = cluster.apply_scan(providerRef={"name": provider}, parallelism=4)

    cluster.until(scan, lambda s: "asked to wait" in s.get("message", ""), "a word on the day")
    told = until(
        lambda: cluster.provider(provider), lambda s: "lastRateLimit" in s, "a word on the 429"
    )
    assert told["lastRateLimit"]["retryAfter"] == "24h"
    assert len([call for call in model.calls() if call["status"] == 429]) <= 4

    cluster.patch(scan, {"suspend": True})
    cluster.until_phase(scan, "Suspended")
