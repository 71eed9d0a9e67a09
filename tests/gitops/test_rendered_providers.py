"""The verdicts of GitOps tools on all that the operator can report of a provider."""

import json
from itertools import product
from pathlib import Path

import pytest

from capscan.core.errors import ProviderUnusable
from capscan.core.provider.diagnosis import USABLE
from capscan.core.provider.status import CHECKING, AccountState, Verdict, render, verdict_on
from capscan.model import Circuit, ProviderStatus
from tests.gitops import rules, tools
from tests.gitops.rules import Json, kstatus
from tests.virtual import EPOCH

SCRIPT = rules.argo_script("InferenceProvider")
CHECK = rules.flux_checks()["capscan.dev/v1alpha1/InferenceProvider"]

VERDICTS = {
    "checking": (CHECKING, "InProgress"),
    "usable": (USABLE, "Current"),
    "wrong key": (verdict_on(ProviderUnusable("InvalidCredentials", "no")), "Failed"),
    "away": (Verdict("False", "ProviderUnavailable", "refused"), "InProgress"),
}
"""What is known of a provider, and the verdict of kstatus on it while the circuit is closed."""
SAME = {"Current": "Healthy", "Failed": "Degraded", "InProgress": "Progressing"}


def wire(status: ProviderStatus, generation: int) -> Json:
    """Return the object as a watcher sees it."""
    return {
        "apiVersion": "capscan.dev/v1alpha1",
        "kind": "InferenceProvider",
        "metadata": {"name": "model", "generation": generation},
        "status": status.to_wire(),
    }


def rendered(verdict: Verdict, circuit: Circuit, edits: int) -> Json:
    """Return a provider that was looked at in generation 1 and edited `edits` times since then."""
    state = AccountState(1, verdict, circuit, obstacle="It keeps failing.")
    return wire(render(state, ProviderStatus(), EPOCH), 1 + edits)


@pytest.mark.parametrize("circuit", Circuit)
@pytest.mark.parametrize("edits", [0, 1])
@pytest.mark.parametrize(("verdict", "closed"), VERDICTS.values(), ids=VERDICTS)
def test_the_tools_judge_every_state_of_a_provider_rightly(
    verdict: Verdict, closed: str, edits: int, circuit: Circuit
) -> None:
    """An open circuit heals by itself, and an edit was not looked at yet: both are InProgress."""
    body = rendered(verdict, circuit, edits)
    open_ = verdict is USABLE and circuit is not Circuit.CLOSED
    wanted = "InProgress" if edits or open_ else closed

    assert kstatus(body) == wanted
    assert rules.flux(body, CHECK) == wanted
    assert rules.argo(body, SCRIPT) == SAME[wanted]


def test_the_rules_in_python_give_the_verdicts_of_the_tools_on_every_state(
    built: Path, tmp_path: Path
) -> None:
    verdicts = [verdict for verdict, _ in VERDICTS.values()]
    bodies = {"new": wire(ProviderStatus(), 1)} | {
        str(number): rendered(*case)
        for number, case in enumerate(product(verdicts, Circuit, (0, 1)))
    }
    for name, body in bodies.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(body), encoding="utf-8")

    said = tools.ask(built, tmp_path.glob("*.json"))

    assert {name: (one["kstatus"], one["flux"], one["argo"]) for name, one in said.items()} == {
        name: (kstatus(body), rules.flux(body, CHECK), rules.argo(body, SCRIPT))
        for name, body in bodies.items()
    }
