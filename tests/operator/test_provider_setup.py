"""An InferenceProvider that is set up wrongly: its status and the scan's say how to mend it."""

import pytest

from tests.modelserver.process import ModelServerProcess
from tests.operator.cluster import MODEL_KEY, Cluster, condition
from tests.operator.process import Operator

pytestmark = pytest.mark.slow


def test_a_provider_that_is_missing_is_named_and_the_scan_goes_on_when_it_comes(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    cluster.create_crds(3)
    operator.start()
    wanted = f"late-{cluster.group.partition('.')[0]}"
    scan = cluster.apply_scan(providerRef={"name": wanted})

    said = cluster.stalled(scan, "ProviderNotFound")["message"]
    assert f"There is no InferenceProvider {wanted}." in said

    cluster.apply_provider("late", baseURL=model.url, apiKeySecretRef=cluster.set_key(MODEL_KEY))
    cluster.until_phase(scan, "Completed")


def test_a_wrong_key_is_not_asked_with_again_and_the_right_one_is_picked_up(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """No restart is needed; provider and scan say what is wrong until it is mended. One question is
    asked, since a key that may not look may still be good for answers.
    """
    cluster.create_crds(5)
    provider = cluster.apply_provider(
        baseURL=model.url, apiKeySecretRef=cluster.set_key("sk-wrong")
    )
    operator.start()
    scan = cluster.apply_scan(providerRef={"name": provider})

    assert "sk-wrong" not in cluster.ready(provider, "InvalidCredentials")["message"]
    assert (
        "Put a valid key into the Secret" in cluster.stalled(scan, "InvalidCredentials")["message"]
    )
    assert model.asked().total() == 1

    cluster.set_key(MODEL_KEY)
    status = cluster.until_phase(scan, "Completed")
    assert condition(status, "Stalled")["status"] == "False"
    assert cluster.ready(provider, "Usable")["status"] == "True"
    assert "sk-wrong" not in operator.log


def test_a_secret_that_is_missing_and_one_that_may_not_be_read_are_told_apart(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    ref = cluster.set_key(MODEL_KEY)
    cluster.kubectl("delete", "secret", ref["name"], "-n", "capscan-system")
    missing = cluster.apply_provider("missing", baseURL=model.url, apiKeySecretRef=ref)
    hidden = cluster.apply_provider(
        "hidden", baseURL=model.url, apiKeySecretRef={"name": "somebody-elses"}
    )
    operator.start()

    assert "kubectl -n capscan-system create" in cluster.ready(missing, "SecretNotFound")["message"]
    assert "allow get on it by name" in cluster.ready(hidden, "SecretForbidden")["message"]

    cluster.set_key(MODEL_KEY)
    cluster.ready(missing, "Usable")


def test_a_model_that_does_not_exist_is_told_from_a_wrong_key(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    cluster.create_crds(2)
    key = cluster.set_key(MODEL_KEY)
    provider = cluster.apply_provider(model="claude-0", baseURL=model.url, apiKeySecretRef=key)
    operator.start()
    scan = cluster.apply_scan(providerRef={"name": provider})

    assert "claude-0" in cluster.ready(provider, "ModelNotFound")["message"]
    cluster.stalled(scan, "ModelNotFound")

    cluster.apply_provider(baseURL=model.url, apiKeySecretRef=key)
    cluster.until_phase(scan, "Completed")


def test_a_rotated_key_is_picked_up_in_mid_run_and_nobody_notices(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    model.change(latency={"mean_s": 0.2})
    cluster.create_crds(40)
    provider = cluster.apply_provider(baseURL=model.url, apiKeySecretRef=cluster.set_key(MODEL_KEY))
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


def test_fallbacks_that_go_in_a_circle_are_refused(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    key = cluster.set_key(MODEL_KEY)
    name = cluster.group.partition(".")[0]
    for one, other in (("one", "other"), ("other", "one")):
        cluster.apply_provider(
            one, baseURL=model.url, apiKeySecretRef=key, fallbackRef={"name": f"{other}-{name}"}
        )
    operator.start()
    scan = cluster.apply_scan(providerRef={"name": f"one-{name}"})

    assert (
        f"one-{name} -> other-{name} -> one-{name}"
        in cluster.stalled(scan, "FallbackLoop")["message"]
    )


def test_a_fallback_that_does_not_exist_is_reported_before_it_is_needed(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    key = cluster.set_key(MODEL_KEY)
    provider = cluster.apply_provider(
        baseURL=model.url, apiKeySecretRef=key, fallbackRef={"name": "nosuch"}
    )
    operator.start()

    said = cluster.ready(provider, "Usable")["message"]
    assert said.endswith("Its fallback nosuch does not exist.")
