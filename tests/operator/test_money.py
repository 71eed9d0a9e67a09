"""What users who may edit scans can spend, counted by the model server."""

import itertools
import os
import time
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.modelserver.behaviour import Behaviour, Latency
from tests.modelserver.process import ModelServerProcess, running
from tests.operator.cluster import MODEL_KEY, Cluster, Json, condition
from tests.operator.process import Operator
from tests.operator.waiting import until

pytestmark = pytest.mark.slow

FOR_S = float(os.environ.get("CAPSCAN_SPENDING_S", "3"))
"""How long somebody goes on trying after a day's money is used up."""
LIMIT = Decimal("0.50")
PAUSE_S = 0.3
"""The pause between two acts: runs that are interrupted at once would ask nothing."""
PRICING = {"inputPerMillionTokens": "1", "outputPerMillionTokens": "5"}
DEAREST_REQUEST = Decimal("0.02")
"""More than any of these requests may cost."""


def billed(model: ModelServerProcess) -> Decimal:
    """Return what the model server would write on the bill."""
    return (
        sum(
            (
                Decimal(call["input_tokens"]) + 5 * Decimal(call["output_tokens"])
                for call in model.calls()
            ),
            Decimal(0),
        )
        / 1_000_000
    )


def limited(cluster: Cluster, model: ModelServerProcess, **spec: Any) -> str:
    return cluster.apply_provider(
        baseURL=model.url, apiKeySecretRef=cluster.set_key(MODEL_KEY), pricing=PRICING, **spec
    )


def spend(cluster: Cluster, spec: Json, n: int) -> None:
    """Do one thing after the other that makes a scan ask."""
    name = cluster.apply_scan(f"scan{n % 7}", **spec, itemTimeout="1s" if n % 2 else "1m")
    cluster.patch(name, {"rescan": str(n), "suspend": n % 5 == 0})
    if n % 4 == 0:
        cluster.delete(name)
    time.sleep(PAUSE_S)


def test_a_scan_editor_s_best_effort_spends_no_more_than_a_day_allows(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    """They rescan, delete and create again, suspend, and cut questions off; the operator is killed
    in the middle of it.
    """
    cluster.create_crds(20)
    provider = limited(cluster, model, limits={"maxCostPerDay": str(LIMIT)})
    operator.start()
    cluster.ready(provider, "Usable")
    spec: dict[str, Any] = {
        "providerRef": {"name": provider},
        "refresh": "Always",
        "parallelism": 4,
        "schedule": "* * * * *",
        "follow": True,
        "budget": {"maxCost": "1000000"},
    }
    acts = map(partial(spend, cluster, spec), itertools.count())
    until(
        lambda: (next(acts), billed(model))[1],
        lambda cost: cost > LIMIT / 10,
        "a bill",
        timeout_s=120.0,
    )
    operator.kill()
    operator.start()
    until(
        lambda: (next(acts), cluster.provider(provider))[1],
        lambda s: condition(s, "Ready")["reason"] == "DailyLimitReached",
        "the end of the day's money",
        timeout_s=240.0,
    )
    ends_s = time.monotonic() + FOR_S
    while time.monotonic() < ends_s:
        next(acts)
    spent = billed(model)
    held = cluster.ready(provider, "DailyLimitReached")
    scan = cluster.apply_scan("last", **spec)
    waits = cluster.until(
        scan,
        lambda s: "conditions" in s and condition(s, "Reconciling")["reason"] == held["reason"],
        "a scan that waits for tomorrow",
    )
    today = cluster.provider(provider)["today"]

    assert LIMIT / 10 < spent <= LIMIT
    assert billed(model) <= LIMIT
    assert spent <= Decimal(today["cost"]) <= LIMIT + DEAREST_REQUEST
    assert condition(waits, "Stalled")["status"] == "False"
    assert f"of {LIMIT} (spec.limits.maxCostPerDay)" in waits["message"]
    assert "T00:00:00Z" in waits["message"]

    limited(cluster, model, limits={"maxCostPerDay": "50"})
    cluster.until_phase(scan, "Completed")


def test_a_scan_that_is_not_allowed_stalls_and_goes_on_once_it_is(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    cluster.create_crds(2)
    provider = limited(cluster, model, allowedScans={"names": ["nightly-*"]})
    operator.start()
    scan = cluster.apply_scan("mine", providerRef={"name": provider})
    said = cluster.stalled(scan, "ScanNotAllowed")["message"]
    asked = model.asked()
    limited(cluster, model, allowedScans={"names": ["nightly-*", "mine-*"]})
    cluster.until_phase(scan, "Completed")

    assert "may be asked by scans named nightly-*" in said
    assert not asked


def test_a_scan_that_is_created_again_waits_for_the_interval_to_pass(
    cluster: Cluster, operator: Operator, model: ModelServerProcess
) -> None:
    cluster.create_crds(2)
    provider = limited(cluster, model, minimumRunInterval="1h")
    operator.start()
    spec: dict[str, Any] = {"providerRef": {"name": provider}, "refresh": "Always"}
    scan = cluster.apply_scan(**spec)
    cluster.until_phase(scan, "Completed")
    cluster.delete(scan)
    cluster.apply_scan(**spec)
    status = cluster.until(
        scan,
        lambda s: "conditions" in s and condition(s, "Reconciling")["reason"] == "RunTooSoon",
        "a run that waits",
    )
    asked = sum(model.asked().values())
    limited(cluster, model, minimumRunInterval="1s")
    cluster.until_phase(scan, "Completed")

    assert f"one of {scan} has begun to ask at" in status["message"]
    assert asked == 2


def test_counts_that_no_integer_holds_keep_no_scan_from_obeying(
    cluster: Cluster, operator: Operator
) -> None:
    cluster.create_crds(3)
    behaviour = Behaviour(keys=(MODEL_KEY,), latency=Latency(mean_s=0.05), counts_as=10**19)
    with running(behaviour) as model:
        provider = limited(cluster, model)
        operator.start()
        scan = cluster.apply_scan(providerRef={"name": provider})
        cluster.until_phase(scan, "Completed")
        cluster.patch(scan, {"rescan": "again", "refresh": "Always"})
        again = cluster.until(
            scan,
            lambda s: s.get("lastHandledRescan") == "again" and s["phase"] == "Completed",
            "a rescan",
        )
        shown = until(
            lambda: cluster.provider(provider), lambda s: "today" in s, "a count of today"
        )

    assert int(again["usage"]["totalTokens"]) < 2**63
    assert len(again["usage"]["cost"]) <= 32
    assert int(shown["today"]["totalTokens"]) < 2**63
