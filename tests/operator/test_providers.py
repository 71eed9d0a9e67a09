"""Scans that ask a model: the real operator, a real API server, a fake model behind real HTTP."""

import re
from collections.abc import Iterator

import pytest

from tests.modelserver.behaviour import Behaviour, Latency
from tests.modelserver.faults import Fault
from tests.modelserver.process import ModelServerProcess, running
from tests.operator.cluster import Cluster, Json, condition, until
from tests.operator.process import Operator

pytestmark = pytest.mark.slow

KEY = "sk-right"


@pytest.fixture
def model() -> Iterator[ModelServerProcess]:
    """Answers after 50 ms, to the right key alone."""
    with running(Behaviour(keys=(KEY,), latency=Latency(mean_s=0.05))) as server:
        yield server


def stalled(cluster: Cluster, scan: str, reason: str) -> Json:
    """Wait until the scan is stalled for that reason; the condition."""
    status = cluster.until(
        scan,
        lambda s: "conditions" in s and condition(s, "Stalled")["reason"] == reason,
        f"a stall: {reason}",
    )
    return condition(status, "Stalled")


@pytest.mark.parametrize(
    ("protocol", "name"), [("Anthropic", "claude-haiku-4-5"), ("OpenAI", "gpt-5-mini")]
)
def test_a_model_is_asked_about_every_crd_once(
    cluster: Cluster, operator: Operator, model: ModelServerProcess, protocol: str, name: str
) -> None:
    """What it answered, who it was, and what it cost stand in the objects."""
    names = cluster.create_crds(12)
    provider = cluster.apply_provider(
        protocol=protocol,
        model=name,
        baseURL=f"{model.url}/v1",
        apiKeySecretRef=cluster.set_key(KEY),
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
    """First for not even one, then for ten; without one everything is asked, and nothing twice."""
    names = cluster.create_crds(40)
    provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=cluster.set_key(KEY))
    operator.start()
    scan = cluster.apply_scan(
        providerRef={"name": provider}, parallelism=32, budget={"maxTokens": 100}
    )
    written = re.search(r"to at least (\d+);", stalled(cluster, scan, "BudgetTooSmall")["message"])
    assert written is not None
    assert not model.asked()

    budget = 10 * int(written[1])
    cluster.patch(scan, {"budget": {"maxTokens": budget}})
    reached = stalled(cluster, scan, "BudgetReached")
    usage = cluster.status(scan)["usage"]
    assert reached["status"] == "True"
    assert budget / 2 < usage["totalTokens"] <= budget
    assert usage["requests"] == len(model.asked()) == len(cluster.capabilities()) >= 5

    cluster.patch(scan, {"budget": {"maxTokens": 0}})
    status = cluster.until_phase(scan, "Completed")
    assert model.asked() == dict.fromkeys(names, 1)
    assert status["usage"]["requests"] == 40
    assert status["run"]["trigger"] == "Created"


def test_a_provider_that_is_missing_is_named_and_the_scan_goes_on_when_it_comes(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    cluster.create_crds(3)
    operator.start()
    wanted = f"late-{cluster.group.partition('.')[0]}"
    scan = cluster.apply_scan(providerRef={"name": wanted})

    said = stalled(cluster, scan, "ProviderNotFound")["message"]
    assert f"There is no InferenceProvider {wanted}." in said

    cluster.apply_provider("late", baseURL=model.url, apiKeySecretRef=cluster.set_key(KEY))
    cluster.until_phase(scan, "Completed")


def test_a_wrong_key_is_not_asked_with_again_and_the_right_one_is_picked_up(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """Without a restart: provider and scan say what is wrong until it is mended."""
    cluster.create_crds(5)
    provider = cluster.apply_provider(
        baseURL=model.url, apiKeySecretRef=cluster.set_key("sk-wrong")
    )
    operator.start()
    scan = cluster.apply_scan(providerRef={"name": provider})

    assert "sk-wrong" not in cluster.ready(provider, "InvalidCredentials")["message"]
    assert (
        "Put a valid key into the Secret" in stalled(cluster, scan, "InvalidCredentials")["message"]
    )
    assert not model.asked()

    cluster.set_key(KEY)
    status = cluster.until_phase(scan, "Completed")
    assert condition(status, "Stalled")["status"] == "False"
    assert cluster.ready(provider, "Usable")["status"] == "True"
    assert "sk-wrong" not in operator.log


def test_a_secret_that_is_missing_and_one_that_may_not_be_read_are_told_apart(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    ref = cluster.set_key(KEY)
    cluster.kubectl("delete", "secret", ref["name"], "-n", "capscan-system")
    missing = cluster.apply_provider("missing", baseURL=model.url, apiKeySecretRef=ref)
    hidden = cluster.apply_provider(
        "hidden", baseURL=model.url, apiKeySecretRef={"name": "somebody-elses"}
    )
    operator.start()

    assert "kubectl -n capscan-system create" in cluster.ready(missing, "SecretNotFound")["message"]
    assert "allow get on it by name" in cluster.ready(hidden, "SecretForbidden")["message"]

    cluster.set_key(KEY)
    cluster.ready(missing, "Usable")


def test_a_model_that_does_not_exist_is_told_from_a_wrong_key(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    cluster.create_crds(2)
    key = cluster.set_key(KEY)
    provider = cluster.apply_provider(model="claude-0", baseURL=model.url, apiKeySecretRef=key)
    operator.start()
    scan = cluster.apply_scan(providerRef={"name": provider})

    assert "claude-0" in cluster.ready(provider, "ModelNotFound")["message"]
    stalled(cluster, scan, "ModelNotFound")

    cluster.apply_provider(baseURL=model.url, apiKeySecretRef=key)
    cluster.until_phase(scan, "Completed")


def test_a_rotated_key_is_picked_up_in_mid_run_and_nobody_notices(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    model.change(latency={"mean_s": 0.2})
    cluster.create_crds(40)
    provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=cluster.set_key(KEY))
    operator.start()
    scan = cluster.apply_scan(providerRef={"name": provider}, parallelism=2)
    watch = cluster.watch(scan)
    cluster.until_settled(scan, 5)

    cluster.set_key("sk-new")
    model.change(keys=["sk-new"])
    status = cluster.until_phase(scan, "Completed")

    assert status["progress"]["failed"] == 0
    reasons = {condition(seen["status"], "Stalled")["status"] for seen in watch.stop()
               if "conditions" in seen["status"]}  # fmt: skip
    assert reasons == {"False"}


def test_an_outage_is_waited_out_and_said(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """Nothing is lost, little is asked in vain, and the run heals by itself."""
    model.change(latency={"mean_s": 0.8})
    names = cluster.create_crds(60)
    provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=cluster.set_key(KEY))
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
            apiKeySecretRef=cluster.set_key(KEY),
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


def test_a_fallback_that_is_named_no_longer_is_left_at_once(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """Though it asked to wait for a day."""
    cluster.create_crds(20)
    key = cluster.set_key(KEY)
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


def test_fallbacks_that_go_in_a_circle_are_refused(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    key = cluster.set_key(KEY)
    name = cluster.group.partition(".")[0]
    for one, other in (("one", "other"), ("other", "one")):
        cluster.apply_provider(
            one, baseURL=model.url, apiKeySecretRef=key, fallbackRef={"name": f"{other}-{name}"}
        )
    operator.start()
    scan = cluster.apply_scan(providerRef={"name": f"one-{name}"})

    assert (
        f"one-{name} -> other-{name} -> one-{name}"
        in stalled(cluster, scan, "FallbackLoop")["message"]
    )


def test_a_day_that_the_provider_asks_for_is_waited_for_in_the_status(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """And a suspend is obeyed at once."""
    cluster.create_crds(8)
    provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=cluster.set_key(KEY))
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


def test_the_status_of_a_provider_costs_nothing_at_rest(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=cluster.set_key(KEY))
    operator.start()
    cluster.ready(provider, "Usable")
    table = cluster.kubectl("get", "inferenceproviders", provider)

    assert table.split()[:5] == ["NAME", "READY", "MODEL", "CIRCUIT", "INFLIGHTLIMIT"]
    assert table.split()[6:10] == [provider, "True", "claude-haiku-4-5", "Closed"]


def test_a_fallback_that_does_not_exist_is_told_before_it_is_needed(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    key = cluster.set_key(KEY)
    provider = cluster.apply_provider(
        baseURL=model.url, apiKeySecretRef=key, fallbackRef={"name": "nosuch"}
    )
    operator.start()

    said = cluster.ready(provider, "Usable")["message"]
    assert said.endswith("Its fallback nosuch does not exist.")


def test_an_answer_is_kept_as_that_of_the_model_that_gave_it(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """Though the provider was edited in mid-run, and back: the next run asks those again."""
    model.change(latency={"mean_s": 0.5}, models=["one", "two"])
    names = cluster.create_crds(24)
    key = cluster.set_key(KEY)
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
