"""docs/gitops.md says what the tools said, and shows what the tools were given."""

import re
from pathlib import Path

import pytest
import yaml

from tests.gitops import rules, tools

PAGE = (rules.ROOT / "docs" / "gitops.md").read_text(encoding="utf-8")

STATES = {
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
}
"""In the order of the page."""


def table() -> str:
    """The table of the page, made of the captured objects and the recorded verdicts."""
    rows = ["| The scan | `status.phase` | kstatus | Flux | Argo CD |", "|---|---|---|---|---|"]
    for name, state in STATES.items():
        scan = yaml.safe_load((tools.CAPTURED / f"{name}.yaml").read_text(encoding="utf-8"))
        phase = f"`{scan['status']['phase']}`" if "phase" in scan["status"] else ""
        said = tools.recorded().verdicts[name]
        rows.append(f"| {state} | {phase} | {said['kstatus']} | {said['flux']} | {said['argo']} |")
    return "\n".join(rows)


def between(begin: str, end: str) -> str:
    return PAGE.partition(begin)[2].partition(end)[0].strip()


def test_the_table_is_what_the_tools_said() -> None:
    assert between("<!-- verdicts: begin -->", "<!-- verdicts: end -->") == table()


def test_every_captured_state_has_a_row() -> None:
    assert STATES.keys() == {file.stem for file in tools.captured()}


@pytest.mark.parametrize("file", [rules.FLUX, rules.ARGO], ids=lambda file: file.name)
def test_the_health_checks_are_shown_as_they_are(file: Path) -> None:
    """What a reader copies is what the tools were asked with."""
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
def test_the_versions_are_those_that_were_asked(module: str) -> None:
    pins = (tools.FOLDER / "go.mod").read_text(encoding="utf-8")
    version = re.search(rf"^\t{re.escape(module)} (v\S+)$", pins, re.MULTILINE)

    assert version
    assert version[1] in PAGE
