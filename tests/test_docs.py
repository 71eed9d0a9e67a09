"""The pages in docs/ say what is true of the code."""

import ast
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from capscan.core.conditions import ScanFacts, Stall, conditions
from capscan.core.run.plan import inputs_hash
from capscan.model import (
    Budget,
    Condition,
    Phase,
    Priority,
    ProviderRef,
    Refresh,
    ScanSpec,
    Selector,
    Trigger,
)

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SOURCE = ROOT / "operator" / "capscan"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def held(
    phase: Phase, stall: Stall | None = None, *, waiting: bool = False, dry_run: bool = False
) -> list[Condition]:
    facts = ScanFacts(phase, "message", stall, waiting, dry_run=dry_run)
    return conditions(facts, generation=1, previous=(), now=NOW)


MAKERS = {"Stall": 0, "ProviderUnusable": 0, "Verdict": 1}
"""What is made with a reason, and which argument that is."""


def written_reasons() -> Iterator[str]:
    """`reason = "..."` in a class, and what MAKERS are called with, wherever in the source."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in SOURCE.rglob("*.py")]
    constants = {name: text for tree in trees for name, text in _constants(tree)}
    for tree in trees:
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(id="reason")], value=ast.Constant(str(reason))):
                    if re.fullmatch("([A-Z][a-z]+)+", reason):
                        yield reason
                case ast.Call(func=ast.Name(id=maker), args=args) if maker in MAKERS:
                    first = args[0] if isinstance(args[0], ast.Starred) else args[MAKERS[maker]]
                    yield from _reasons_in(first, tree, constants)


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(str(text))):
                yield name, text


def _reasons_in(value: ast.expr, tree: ast.Module, constants: dict[str, str]) -> Iterator[str]:
    """Fails over what it cannot read: a reason that nobody sees is one that nobody documents."""
    match value:
        case ast.Constant(str(reason)):
            yield reason
        case ast.Name(id=name) if name in constants:
            yield constants[name]
        case ast.Starred(value=ast.Name(id=name)):
            pairs = list(_tuples(name, tree))
            assert pairs, ast.unparse(value)
            for pair in pairs:
                yield from _reasons_in(pair.elts[0], tree, constants)
        case ast.Attribute(attr="reason"):
            pass  # of an error, which is read where it is made
        case _:
            pytest.fail(f"no reason can be read from {ast.unparse(value)}")


def _tuples(name: str, tree: ast.Module) -> Iterator[ast.Tuple]:
    """What is assigned to that name."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Tuple() as pair):
                if found == name:
                    yield pair


def test_each_reason_has_its_section_and_no_section_is_left_over() -> None:
    """Conditions' and failed items' reasons, all that the code can produce."""
    reasons = {condition.reason for phase in Phase for condition in held(phase)}
    reasons |= {condition.reason for condition in held(Phase.COMPLETED, dry_run=True)}
    reasons |= {condition.reason for condition in held(Phase.SCANNING, waiting=True)}
    reasons |= set(written_reasons())
    sections = re.findall(r"^## (.+)$", text("troubleshooting.md"), re.MULTILINE)

    assert sorted(sections) == sorted(reasons)


def test_the_reasons_are_really_collected() -> None:
    """One of each kind, or the test above would be content with nothing."""
    written = set(written_reasons())

    assert {"Timeout", "MissingKind", "InternalError"} <= written
    assert {"Checking", "SecretNotFound", "InvalidProvider", "InsufficientQuota"} <= written


def rows(page: str, head: str) -> list[list[str]]:
    """The table under that first cell, without backquotes."""
    _, _, rest = text(page).replace("`", "").partition(f"| {head} |")
    table = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_table_of_conditions_is_that_of_the_code() -> None:
    """`as before` is False where nothing was before."""
    columns = ("Reconciling", "Stalled", "Ready", "Complete", "Failed")
    written = {row[0]: row[1:] for row in rows("concepts.md", "Phase")}
    stalled = written.pop("the first three, and it cannot go on")

    def found(phase: Phase, stall: Stall | None = None) -> list[str]:
        by_type = {condition.type: condition for condition in held(phase, stall)}
        return [by_type[column].status for column in columns]

    assert list(written) == [phase.value for phase in Phase]
    for phase in Phase:
        *cells, reason = written[phase.value]
        assert [cell.replace("as before", "False") for cell in cells] == found(phase)
        assert reason == held(phase)[1].reason
    for phase in list(Phase)[:3]:
        cells = [cell.replace("as before", "False") for cell in stalled[:-1]]
        assert cells == found(phase, Stall("MissingKind", "m"))


def test_the_triggers_are_those_of_the_code() -> None:
    triggers = [row[0] for row in rows("concepts.md", "status.run.trigger")]

    assert triggers == [trigger.value for trigger in Trigger]


def test_what_starts_a_run_is_what_the_hash_covers() -> None:
    """selector, refresh, providerRef and dryRun, and no other field of the spec."""
    plain = inputs_hash(ScanSpec())
    other = {
        "provider_ref": ProviderRef(name="x"),
        "selector": Selector(include=["x"]),
        "parallelism": 3,
        "max_attempts": 3,
        "item_timeout": ScanSpec().item_timeout * 2,
        "max_failed_percent": 3,
        "refresh": Refresh.ALWAYS,
        "rescan": "x",
        "schedule": "0 3 * * *",
        "time_zone": "Asia/Tokyo",
        "follow": True,
        "dry_run": True,
        "budget": Budget(max_tokens=5),
        "priority": Priority.HIGH,
        "suspend": True,
        "progress_interval": ScanSpec().progress_interval * 2,
    }
    asked = {k for k, v in other.items() if inputs_hash(ScanSpec(**{k: v})) != plain}

    assert other.keys() == ScanSpec.model_fields.keys()
    assert asked == {"selector", "refresh", "dry_run", "provider_ref"}


def test_the_picture_has_the_layers_of_the_import_contract() -> None:
    """From top to bottom, as in pyproject.toml."""
    boxes = re.findall(
        r"^[├┌]─+[┤┐].*\n│ (\w+(?: \| \w+)*) ", text("architecture.md"), re.MULTILINE
    )
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = pyproject["tool"]["importlinter"]["contracts"][0]["layers"]

    assert boxes == [layer.replace("capscan.", "") for layer in layers]


def test_every_part_of_the_program_is_in_the_picture() -> None:
    """Or beside it."""
    parts = {path.stem for path in SOURCE.iterdir() if not path.name.startswith(("__", "py."))}
    words = set(re.findall(r"\w+", text("architecture.md")))

    assert parts - words == set()


def anchors(page: str) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """Within the repository, headings included; other sites are theirs to keep."""
    written = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", written):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target
