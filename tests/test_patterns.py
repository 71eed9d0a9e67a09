"""No text takes a pattern of the package longer than its length explains."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "operator" / "capscan").rglob("*.py"))
ON_THE_SPOT = {"sub", "subn", "split", "findall", "finditer", "search", "match", "fullmatch"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_pattern_takes_time_that_grows_with_the_text_alone() -> None:
    """`pattern_work.py` says how work is counted so that a busy machine changes nothing."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.pattern_work"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {line["pattern"]: line["slow"] for line in told if line.get("slow")} == {}
    assert ran.returncode == 0, (told[-1:], ran.stderr)
    assert len({line["pattern"] for line in told}) >= len(_lines_with({"compile"}))


def _lines_with(names: set[str]) -> list[str]:
    """Return where these functions of `re` are called."""
    return [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _calls_re(node, names)
    ]


def _calls_re(node: ast.Call, names: set[str]) -> bool:
    return (
        isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in names
    )


def test_every_pattern_is_compiled_where_the_other_test_finds_it() -> None:
    """A pattern that stands in a call of `re.sub` is compiled when it is used, if ever."""
    assert _lines_with(ON_THE_SPOT) == []
