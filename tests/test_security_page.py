"""Holds the tables of docs/security.md against the tests that they name."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
HEAD = ["Attack", "Who could", "What happens", "Test"]
ROWS_MIN = 60
NAMED = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")
"""A test as pytest names it: the file, the class if there is one, and the function."""


def tables() -> list[list[list[str]]]:
    """Return the cells of each table of the page, without the line below the head."""
    found = re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        for table in found
    ]


def rows() -> list[list[str]]:
    """Return the rows of all tables."""
    return [row for _, _, *below in tables() for row in below]


def named_in(file: str) -> set[str]:
    """Return the tests of a file, as pytest names them."""
    path = ROOT / file
    if not path.exists():
        return set()
    body = ast.parse(path.read_text(encoding="utf-8")).body
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    own = _functions(body, "")
    return own.union(*(_functions(found.body, f"{found.name}::") for found in classes))


def _functions(body: list[ast.stmt], before: str) -> set[str]:
    return {
        before + node.name
        for node in body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_each_row_says_who_could_what_happens_and_where_that_is_shown() -> None:
    assert [head for head, *_ in tables()] == [HEAD] * len(tables())
    assert len(rows()) >= ROWS_MIN
    for row in rows():
        attack, who, happens, _ = row
        assert attack.endswith(".")
        assert who
        assert happens.endswith(".")
        assert NAMED.search(row[-1]), attack


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED.findall(PAGE)}))
def test_each_test_that_the_page_names_exists(file: str) -> None:
    named = {test for found, test in NAMED.findall(PAGE) if found == file}

    assert named - named_in(file) == set()


def test_the_page_names_no_test_in_another_form() -> None:
    """One that is misspelt would be looked for by nobody."""
    assert PAGE.count("`tests/") - PAGE.count("`tests/operator`") - PAGE.count(
        "`tests/manifests`"
    ) == len(NAMED.findall(PAGE))


def test_no_attack_stands_twice_and_none_names_a_test_twice() -> None:
    attacks = [row[0] for row in rows()]
    named = [(row[0], test) for row in rows() for test in NAMED.findall(row[-1])]

    assert len(set(attacks)) == len(attacks)
    assert len(set(named)) == len(named)


def test_a_test_in_a_class_is_found_by_the_names_of_both() -> None:
    """Otherwise the tests above could pass because nothing is found."""
    here = named_in("tests/test_security_page.py")

    assert "test_a_test_in_a_class_is_found_by_the_names_of_both" in here
    assert "rows" not in here
    assert any("::" in test for _, test in NAMED.findall(PAGE))
    assert named_in("tests/no_such_file.py") == set()
