"""The verdicts of GitOps tools on captured objects; verdicts.json holds what the tools answered."""

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
"""The verdicts of kstatus, Flux and Argo CD: each is what a person would say."""


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
    """Return the message of a scan, or of a provider, which has one in its condition Ready
    alone.
    """
    if "message" in status:
        return str(status["message"])
    return str(condition(status, "Ready")["message"])


def test_each_captured_state_gets_the_verdict_that_a_person_would_give() -> None:
    said = {name: (v["kstatus"], v["flux"], v["argo"]) for name, v in VERDICTS.items()}

    assert said == EXPECTED


def test_the_verdicts_were_recorded_with_the_present_files() -> None:
    """Whoever changes a tool's version, a health check or a capture has to ask the tools again."""
    assert tools.recorded().inputs == tools.inputs(), STALE


def test_kstatus_flux_and_argo_give_the_recorded_verdicts(built: Path) -> None:
    assert tools.ask(built, tools.captured()) == VERDICTS, STALE


@pytest.mark.parametrize("file", tools.captured(), ids=lambda file: file.stem)
def test_the_rules_in_python_give_the_verdicts_of_the_tools(file: Path) -> None:
    """So the rules can be trusted with objects that the tools were never asked about."""
    assert judged(load(file)) == EXPECTED[file.stem]


@pytest.mark.parametrize("file", tools.captured(), ids=lambda file: file.stem)
def test_argo_shows_the_message_of_the_scan_or_provider(file: Path) -> None:
    """People see this message in the user interface of Argo CD."""
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


def test_a_dry_run_is_complete_and_says_nothing_of_ready() -> None:
    """Whoever waits for answers waits for Ready, which a dry run does not claim."""
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


def test_kstatus_takes_a_scan_without_a_status_for_done() -> None:
    """That is why the CRD has a default status: the API server never shows a scan without one."""
    bare = COMPLETED | {"status": {}}

    assert kstatus(bare) == "Current"
    assert rules.flux(bare, CHECK) == "InProgress"
    assert rules.argo(bare, SCRIPT) == "Progressing"


def test_the_tools_wait_for_a_scan_that_is_being_deleted() -> None:
    metadata = COMPLETED["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}

    assert judged(COMPLETED | {"metadata": metadata}) == (
        "Terminating",
        "InProgress",  # by the expression; Flux itself does not look at the deletion
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
def test_scripts_have_no_more_libraries_than_argo_gives_them(script: str, health: str) -> None:
    """Otherwise a script could pass here and fail in Argo CD."""
    assert rules.argo(COMPLETED, script) == health


def test_an_expression_over_a_missing_field_is_unknown() -> None:
    """Flux then waits until its timeout."""
    assert rules.flux(COMPLETED, {"current": "status.nothing == 1"}) == "Unknown"
