"""What GitOps tools make of real objects; verdicts.json has the tools' own words."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gitops import rules, tools
from tests.gitops.rules import Json, kstatus

VERDICTS = tools.recorded().verdicts
STALE = "run .venv/bin/python -m tests.gitops.tools, and look at what has changed"

EXPECTED = {
    "created": ("InProgress", "InProgress", "Progressing"),
    "discovering": ("InProgress", "InProgress", "Progressing"),
    "scanning": ("InProgress", "InProgress", "Progressing"),
    "suspended": ("InProgress", "InProgress", "Suspended"),
    "stalled": ("Failed", "Failed", "Degraded"),
    "completed": ("Current", "Current", "Healthy"),
    "completed-with-failures": ("Current", "Current", "Healthy"),
    "failed": ("Failed", "Failed", "Degraded"),
    "edited": ("InProgress", "InProgress", "Progressing"),
    "rescan-discovering": ("InProgress", "InProgress", "Progressing"),
    "rescan-scanning": ("InProgress", "InProgress", "Progressing"),
    "rescan-suspended": ("InProgress", "InProgress", "Suspended"),
    "rescan-resumed": ("InProgress", "InProgress", "Progressing"),
    "requested-scanning": ("InProgress", "InProgress", "Progressing"),
    "rescan-stalled": ("Failed", "Failed", "Degraded"),
    "rescan-completed": ("Current", "Current", "Healthy"),
    "dry-run": ("Current", "Current", "Healthy"),
    "dry-run-over-answers": ("Current", "Current", "Healthy"),
    "dry-run-edited": ("InProgress", "InProgress", "Progressing"),
    "dry-run-scanning": ("InProgress", "InProgress", "Progressing"),
    "provider-created": ("InProgress", "InProgress", "Progressing"),
    "provider-checking": ("InProgress", "InProgress", "Progressing"),
    "provider-usable": ("Current", "Current", "Healthy"),
    "provider-fallback-missing": ("Current", "Current", "Healthy"),
    "provider-edited": ("InProgress", "InProgress", "Progressing"),
    "provider-wrong-key": ("Failed", "Failed", "Degraded"),
    "provider-secret-missing": ("Failed", "Failed", "Degraded"),
    "provider-model-unknown": ("Failed", "Failed", "Degraded"),
    "provider-address-wrong": ("Failed", "Failed", "Degraded"),
    "provider-loops": ("Failed", "Failed", "Degraded"),
    "provider-healed": ("Current", "Current", "Healthy"),
    "provider-away": ("InProgress", "InProgress", "Progressing"),
    "provider-circuit-open": ("InProgress", "InProgress", "Progressing"),
    "provider-deleted": ("Terminating", "InProgress", "Progressing"),
}
"""By kstatus, Flux and Argo CD. Each is as a person would have it."""


def condition(status: Json, type_: str) -> Json:
    (found,) = (one for one in status["conditions"] if one["type"] == type_)
    return dict(found)


def load(file: Path) -> Json:
    found: Json = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


def judged(body: Json) -> tuple[str, str, str]:
    kind = body["kind"]
    check = rules.flux_checks()[f"{body['apiVersion']}/{kind}"]
    return kstatus(body), rules.flux(body, check), rules.argo(body, rules.argo_script(kind))


def message(status: Json) -> str:
    """Of a scan, or of a provider, which has one in Ready alone."""
    if "message" in status:
        return str(status["message"])
    return str(condition(status, "Ready")["message"])


def test_the_tools_say_what_a_person_would() -> None:
    said = {name: (v["kstatus"], v["flux"], v["argo"]) for name, v in VERDICTS.items()}

    assert said == EXPECTED


def test_the_recorded_verdicts_are_of_these_files() -> None:
    """Whoever changes the tools' versions, a check or a capture has to ask the tools again."""
    assert tools.recorded().inputs == tools.inputs(), STALE


def test_the_tools_say_it_still(built: Path) -> None:
    assert tools.ask(built, tools.captured()) == VERDICTS, STALE


@pytest.mark.parametrize("file", tools.captured(), ids=lambda file: file.stem)
def test_the_rules_in_python_agree_with_the_tools(file: Path) -> None:
    """So that they can be trusted with objects that the tools were never asked about."""
    assert judged(load(file)) == EXPECTED[file.stem]


@pytest.mark.parametrize("file", tools.captured(), ids=lambda file: file.stem)
def test_argo_is_told_what_is_going_on(file: Path) -> None:
    """Its message is what people see in its user interface."""
    body = load(file)
    status, metadata = body["status"], body["metadata"]
    said = VERDICTS[file.stem]["message"]

    if "deletionTimestamp" in metadata:
        assert said == "Pending deletion"
    elif status["observedGeneration"] == metadata["generation"]:
        assert said.endswith(message(status))
    else:
        assert said.endswith("has not seen the newest spec yet.")


@pytest.mark.parametrize("file", tools.captured(), ids=lambda file: file.stem)
def test_conditions_are_those_of_the_api_conventions(file: Path) -> None:
    """metav1.Condition: all fields, a reason in CamelCase, one of each type."""
    conditions: list[Json] = load(file)["status"].get("conditions", [])
    fields = {"type", "status", "observedGeneration", "lastTransitionTime", "reason", "message"}

    assert len({c["type"] for c in conditions}) == len(conditions)
    for one in conditions:
        assert one.keys() == fields
        assert one["status"] in {"True", "False", "Unknown"}
        assert one["reason"].isalpha()
        assert one["reason"][0].isupper()


def test_a_dry_run_is_done_and_no_answer() -> None:
    """Who waits for answers asks for Ready; after a dry run nobody says that it holds."""
    plain = load(tools.CAPTURED / "dry-run.yaml")
    over = load(tools.CAPTURED / "dry-run-over-answers.yaml")

    assert condition(plain["status"], "Complete")["reason"] == "DryRun"
    assert "Ready" not in {one["type"] for one in plain["status"]["conditions"]}
    assert condition(over["status"], "Complete")["reason"] == "DryRun"
    ready = condition(over["status"], "Ready")
    assert ready["observedGeneration"] < over["metadata"]["generation"]


COMPLETED: dict[str, Any] = load(tools.CAPTURED / "completed.yaml")
SCRIPT = rules.argo_script("CapabilityScan")
CHECK = rules.flux_checks()["capscan.dev/v1alpha1/CapabilityScan"]


def test_a_scan_without_a_status_passes_for_done_with_kstatus() -> None:
    """Why the CRD has a default for it: the API server never shows one without."""
    bare = COMPLETED | {"status": {}}

    assert kstatus(bare) == "Current"
    assert rules.flux(bare, CHECK) == "InProgress"
    assert rules.argo(bare, SCRIPT) == "Progressing"


def test_a_scan_that_is_being_deleted_is_waited_for() -> None:
    metadata = COMPLETED["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}

    assert judged(COMPLETED | {"metadata": metadata}) == (
        "Terminating",
        "InProgress",  # by the expression: Flux itself does not look at it
        "Progressing",
    )


@pytest.mark.parametrize(
    ("script", "health"),
    [
        pytest.param("return {status = 'Healthy'}", "Healthy", id="well"),
        pytest.param("return", "", id="says nothing"),
        pytest.param("return {status = 'Fine'}", "Unknown", id="no such health"),
        pytest.param("return {status = string.upper('healthy')}", "Unknown", id="no string"),
        pytest.param("return {status = ('Healthy'):sub(1)}", "Unknown", id="no methods either"),
        pytest.param("return {status = math.max('Healthy')}", "Unknown", id="no math"),
        pytest.param("while true do end", "Unknown", id="never ends"),
    ],
)
def test_scripts_get_no_more_than_argo_gives_them(script: str, health: str) -> None:
    """Otherwise one could pass here that fails there."""
    assert rules.argo(COMPLETED, script) == health


def test_an_expression_over_a_missing_field_is_unknown() -> None:
    """Flux then waits until its timeout."""
    assert rules.flux(COMPLETED, {"current": "status.nothing == 1"}) == "Unknown"
