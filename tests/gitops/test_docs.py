"""docs/gitops.md shows the recorded verdicts, and the health checks that the tools were given."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.gitops import rules, tools

PAGE = (rules.ROOT / "docs" / "gitops.md").read_text(encoding="utf-8")

SCANS = {
    "created": "just created, not seen yet",
    "discovering": "the CRDs are being listed",
    "scanning": "the first run is at work",
    "suspended": "created with `suspend: true`",
    "stalled": "it cannot go on: a permission is missing",
    "completed": "done",
    "completed-with-failures": "done, and some CRDs failed",
    "failed": "stopped by `maxFailedPercent`",
    "edited": "done, then edited, and the edit was not seen yet",
    "rescan-discovering": "a rescan has begun",
    "rescan-scanning": "a rescan is at work",
    "rescan-suspended": "a rescan was suspended",
    "rescan-resumed": "a rescan was suspended, and goes on",
    "requested-scanning": "a rescan by annotation is at work",
    "rescan-stalled": "a rescan cannot go on",
    "rescan-completed": "a rescan is done",
    "dry-run": "a dry run is done",
    "dry-run-over-answers": "a dry run is done, of a scan that has answers",
    "dry-run-edited": "`dryRun` was set to false, and the edit was not seen yet",
    "dry-run-scanning": "the run after a dry run is at work",
}
PROVIDERS = {
    "provider-created": "just created, not seen yet",
    "provider-checking": "the first look takes long",
    "provider-usable": "it works",
    "provider-fallback-missing": "it works, and its fallback does not exist",
    "provider-edited": "edited, and the edit was not seen yet",
    "provider-wrong-key": "its key is wrong",
    "provider-secret-missing": "its Secret is missing",
    "provider-model-unknown": "its model is unknown there",
    "provider-address-wrong": "there is something else at its address",
    "provider-loops": "its fallbacks go in a circle",
    "provider-healed": "its key was wrong, and was mended",
    "provider-away": "nobody answers at its address",
    "provider-circuit-open": "its circuit is open",
    "provider-deleted": "it is being deleted, and somebody's finalizer holds it",
}
"""SCANS and PROVIDERS are in the order of the page."""


def scan_table() -> str:
    """Return the table on scans, made of the captured objects and the recorded verdicts."""
    rows = ["| The scan | `status.phase` | kstatus | Flux | Argo CD |", "|---|---|---|---|---|"]
    for name, state in SCANS.items():
        rows.append(row(name, state, captured(name).get("phase", "")))
    return "\n".join(rows)


def provider_table() -> str:
    head = "| The InferenceProvider | Reason of Ready | kstatus | Flux | Argo CD |"
    rows = [head, "|---|---|---|---|---|"]
    for name, state in PROVIDERS.items():
        conditions = captured(name).get("conditions", [])
        reasons = [one["reason"] for one in conditions if one["type"] == "Ready"]
        rows.append(row(name, state, "".join(reasons)))
    return "\n".join(rows)


def captured(name: str) -> rules.Json:
    """Return the status of a captured object."""
    found = yaml.safe_load((tools.CAPTURED / f"{name}.yaml").read_text(encoding="utf-8"))
    return dict(found["status"])


def row(name: str, state: str, word: str) -> str:
    said = tools.recorded().verdicts[name]
    quoted = f"`{word}`" if word else ""
    return f"| {state} | {quoted} | {said['kstatus']} | {said['flux']} | {said['argo']} |"


def between(begin: str, end: str) -> str:
    return PAGE.partition(begin)[2].partition(end)[0].strip()


@pytest.mark.parametrize(("kind", "table"), [("scans", scan_table), ("providers", provider_table)])
def test_the_tables_of_the_page_show_the_recorded_verdicts(
    kind: str, table: Callable[[], str]
) -> None:
    shown = between(f"<!-- verdicts on {kind}: begin -->", f"<!-- verdicts on {kind}: end -->")

    assert shown == table()


def test_every_captured_state_has_a_row() -> None:
    assert SCANS.keys() | PROVIDERS.keys() == {file.stem for file in tools.captured()}


@pytest.mark.parametrize("file", [rules.FLUX, rules.ARGO], ids=lambda file: file.name)
def test_the_page_shows_the_health_checks_to_the_letter(file: Path) -> None:
    """A reader copies the same checks that the tools were asked with."""
    assert file.read_text(encoding="utf-8").strip() in re.findall(
        r"```yaml\n(.*?)\n```", PAGE, re.DOTALL
    )


@pytest.mark.parametrize(
    "module",
    [
        "github.com/fluxcd/cli-utils",
        "github.com/fluxcd/pkg/runtime",
        "github.com/argoproj/argo-cd/v3",
    ],
)
def test_the_page_names_the_versions_of_the_tools_that_were_asked(module: str) -> None:
    pins = (tools.FOLDER / "go.mod").read_text(encoding="utf-8")
    version = re.search(rf"^\t{re.escape(module)} (v\S+)$", pins, re.MULTILINE)

    assert version
    assert version[1] in PAGE
