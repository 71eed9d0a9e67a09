"""No text takes a pattern of the package longer than its length explains."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
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
    assert len({line["pattern"] for line in told}) >= len(list(_compiled())) - _IN_SCRIPTS


_IN_SCRIPTS = 0


def _compiled() -> Iterator[ast.Call]:
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if _calls_re(node, {"compile"}):
                assert isinstance(node, ast.Call)
                yield node


def _calls_re(node: ast.AST, names: set[str]) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in names
    )


def test_every_pattern_is_compiled_where_the_other_test_finds_it() -> None:
    """A pattern that stands in a call of `re.sub` is compiled when it is used, if ever."""
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _calls_re(node, ON_THE_SPOT)
    ]

    assert found == []


def test_no_pattern_comes_from_a_schema() -> None:
    """A CRD may hold `pattern: (a+)+$`, which is text like any other: nothing compiles it."""
    assert re.search(r"re\.compile\((?!\s*(?:r?f?[\"']|$|\n|.*join))", _all_sources()) is None


def _all_sources() -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in SOURCES)
