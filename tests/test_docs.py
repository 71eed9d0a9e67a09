"""Holds the pages of the repository, and the paths in docstrings, against the code.

It compares headings, tables, links and paths. The examples and the other tables of the pages are
held by tests/manifests, tests/gitops and tests/test_settings.py.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from capscan.core.conditions import ScanFacts, Stall, conditions
from capscan.core.pace import Pace
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
    """Return a page of docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def held(
    phase: Phase, stall: Stall | None = None, *, waiting: str = "", dry_run: bool = False
) -> list[Condition]:
    """Return the conditions of a scan that had none before."""
    facts = ScanFacts(phase, "message", stall, waiting, dry_run=dry_run)
    return conditions(facts, generation=1, previous=(), now=NOW)


MAKERS = {"Stall": 0, "HeldBack": 0, "ProviderUnusable": 0, "Verdict": 1}
"""Which calls make something with a reason, and which of their arguments the reason is."""


def written_reasons() -> Iterator[str]:
    """Yield each reason in the source: `reason = "..."` in a class, and the argument in MAKERS."""
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
    """Yield the name and the text of each string that a module assigns."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(str(text))):
                yield name, text


def _reasons_in(value: ast.expr, tree: ast.Module, constants: dict[str, str]) -> Iterator[str]:
    """Yield the reasons in an argument. Fail over what cannot be read: it would be missed."""
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
            pass  # This is an error's reason, which is read where the error is made.
        case _:
            pytest.fail(f"no reason can be read from {ast.unparse(value)}")


def _tuples(name: str, tree: ast.Module) -> Iterator[ast.Tuple]:
    """Yield each tuple that is assigned to that name."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Tuple() as pair):
                if found == name:
                    yield pair


def test_troubleshooting_has_one_section_for_each_reason_and_no_other() -> None:
    """These are all reasons of conditions and failed items that the code can produce."""
    reasons = {condition.reason for phase in Phase for condition in held(phase)}
    reasons |= {condition.reason for condition in held(Phase.COMPLETED, dry_run=True)}
    reasons |= {condition.reason for condition in held(Phase.SCANNING, waiting=Pace().reason)}
    reasons |= set(written_reasons())
    sections = re.findall(r"^## (.+)$", text("troubleshooting.md"), re.MULTILINE)

    assert sorted(sections) == sorted(reasons)


def test_written_reasons_finds_reasons_of_each_kind() -> None:
    """Without this check, the test above would pass if nothing was found."""
    written = set(written_reasons())

    assert {"Timeout", "MissingKind", "InternalError"} <= written
    assert {"Checking", "SecretNotFound", "InvalidProvider", "InsufficientQuota"} <= written


def rows(page: str, head: str) -> list[list[str]]:
    """Return the cells of the table whose first cell is `head`, without backquotes."""
    _, _, rest = text(page).replace("`", "").partition(f"| {head} |")
    table = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_table_of_conditions_agrees_with_the_code() -> None:
    """The words `as before` mean False here, because there was nothing before."""
    columns = ("Reconciling", "Stalled", "Ready", "Complete", "Failed")
    written = {row[0]: row[1:] for row in rows("concepts.md", "Phase")}
    stalled = written.pop("the first three, and the run cannot go on")

    def found(phase: Phase, stall: Stall | None = None) -> list[str]:
        """Return the statuses in the order of the columns."""
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


def test_the_table_of_triggers_agrees_with_the_code() -> None:
    """The table lists every trigger, in the order of the code."""
    triggers = [row[0] for row in rows("concepts.md", "status.run.trigger")]

    assert triggers == [trigger.value for trigger in Trigger]


def test_only_the_fields_that_the_page_names_start_a_run() -> None:
    """They are selector, refresh, providerRef and dryRun, and no other field of the spec."""
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


def test_the_picture_shows_the_layers_of_the_import_contract() -> None:
    """The picture shows them from top to bottom, as pyproject.toml lists them."""
    boxes = re.findall(
        r"^[├┌]─+[┤┐].*\n│ (\w+(?: \| \w+)*) ", text("architecture.md"), re.MULTILINE
    )
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = pyproject["tool"]["importlinter"]["contracts"][0]["layers"]

    assert boxes == [layer.replace("capscan.", "") for layer in layers]


def test_the_architecture_page_names_every_part_of_the_program() -> None:
    """A part is in the picture or in the text beside it."""
    parts = {path.stem for path in SOURCE.iterdir() if not path.name.startswith(("__", "py."))}
    words = set(re.findall(r"\w+", text("architecture.md")))

    assert parts - words == set()


def anchors(page: str) -> set[str]:
    """Return the anchors that GitHub makes from the headings of a page."""
    heads = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    """This checks links inside the repository; it asks no other site."""
    written = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", written):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


MODULE_PATH = re.compile(r"(?<![\w./-])(?:\w+/)+\w+\.py\b")
"""The path of a module, with at least one folder. A file name alone is not checked."""

MODULES = [
    file.relative_to(ROOT)
    for folder in ("operator", "tests", "docs", "benchmarks", "demos")
    for file in (ROOT / folder).rglob("*.py")
]


def is_there(written: str) -> bool:
    """Say whether a module has that path, or one that ends in it: `core/retry.py` is enough.

    `NAME` stands for the module that a reader adds, so only its folder has to exist.
    """
    path = Path(written)
    if path.name == "NAME.py":
        return any(ends_with(module.parent, path.parent) for module in MODULES)
    return any(ends_with(module, path) for module in MODULES)


def ends_with(path: Path, end: Path) -> bool:
    """Compare whole folders: `core/errors.py` does not end with `ore/errors.py`."""
    return path.parts[-len(end.parts) :] == end.parts


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_each_module_that_a_page_names_by_its_path_exists(page: Path) -> None:
    """A page that names a module would lie after the module has moved."""
    written = MODULE_PATH.findall(page.read_text(encoding="utf-8"))

    assert [path for path in written if not is_there(path)] == []


def test_each_module_that_the_source_names_by_its_path_exists() -> None:
    """Docstrings and comments say in which module the next step lives."""
    written = {
        (str(file.relative_to(SOURCE)), path)
        for file in SOURCE.rglob("*.py")
        for path in MODULE_PATH.findall(file.read_text(encoding="utf-8"))
    }

    assert written
    assert [(file, path) for file, path in sorted(written) if not is_there(path)] == []


@pytest.mark.parametrize(
    ("path", "exists"),
    [
        ("core/errors.py", True),
        ("operator/capscan/core/errors.py", True),
        ("tests/test_docs.py", True),
        ("inference/api/NAME.py", True),
        ("ore/errors.py", False),
        ("kube/errors.py", False),
        ("core/missing/NAME.py", False),
    ],
)
def test_a_path_is_looked_up_by_whole_folders(path: str, exists: bool) -> None:
    """Only a path that ends like a module's counts."""
    assert MODULE_PATH.findall(f"see `{path}`, and {path}.") == [path, path]
    assert is_there(path) is exists
