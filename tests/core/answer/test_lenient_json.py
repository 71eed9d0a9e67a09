"""json_objects: what is forgiven, what is not, and that the work is bounded."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.answer.lenient_json import CANDIDATES_MAX, DEPTH_MAX, json_objects

JSON_TEXT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param('{"a": 1}', [{"a": 1}], id="plain"),
        pytest.param('Sure {x}!\n```json\n{"a": 1}\n```\nBye {y}', [{"a": 1}], id="fenced"),
        pytest.param('{"a": 1} and {"b": 2}', [{"a": 1}, {"b": 2}], id="several"),
        pytest.param('[{"a": 1}]', [{"a": 1}], id="in a list"),
        pytest.param('{"a": [1, 2,], "b": 3,}', [{"a": [1, 2], "b": 3}], id="trailing commas"),
        pytest.param('{"a": 1 "b": 2}', [{"a": 1, "b": 2}], id="missing comma"),
        pytest.param('{"a": "x" // c\n, /* d */ "b": 2 # e\n}', [{"a": "x", "b": 2}], id="notes"),
        pytest.param('{"a": "http://x/#y"}', [{"a": "http://x/#y"}], id="no comment in a string"),
        pytest.param("{'a': 'it's \"b\"'}", [{"a": 'it\'s "b"'}], id="single quotes"),
        pytest.param('{"a": "says "hi", then "no"", b: 1}', [{"a": 'says "hi", then "no"', "b": 1}],
                     id="bare quotes and keys"),
        pytest.param('{"a": True, "b": None, "c": false,}', [{"a": True, "b": None, "c": False}],
                     id="constants"),
        pytest.param('{"a": "one\ntwo"}', [{"a": "one\ntwo"}], id="raw line break"),
        pytest.param('{"a": "\\u0041\\ud83d\\ude00\\ud83d\\n\\/",}', [{"a": "A😀\ufffd\n/"}],
                     id="escapes"),
        pytest.param('{"a": "x", "b": ["y", "z', [{"a": "x", "b": ["y"]}], id="cut in an item"),
        pytest.param('{"a": "x y', [{"a": "x y…"}], id="cut in a value"),
        pytest.param('{"a": 1, "b', [{"a": 1}], id="cut in a key"),
        pytest.param('{"a": 1, "b":', [{"a": 1}], id="cut before a value"),
        pytest.param('{"a": 1, "b": fal', [{"a": 1}], id="cut in a constant"),
        pytest.param('{"a": {"b": [1, {"c": 2', [{"a": {"b": [1, {"c": 2}]}}], id="cut deep"),
        pytest.param("no JSON {at all} here", [], id="prose"),
        pytest.param('{"a" "b"}', [], id="no colon"),
    ],
)  # fmt: skip
def test_slips_are_forgiven(text: str, found: list[Any]) -> None:
    """What a person would read without a doubt is read."""
    assert list(json_objects(text)) == found


def test_nesting_has_an_end() -> None:
    """An answer that is too deep for JSON's own parser is none, not a crash."""
    assert list(json_objects('{"a":' * 100_000)) == []
    assert list(json_objects('{"a":' * DEPTH_MAX + "1")) != []


@pytest.mark.parametrize(
    "piece",
    ['{"a" ', '"', "'\"{", '{"a":"', "{/*", '{"a": "b" "c" ', '" ', '{"a":1,,,', "{", '", w', "\\"],
)
def test_the_work_is_bounded(piece: str) -> None:
    """Text that sends other readers back and forth for half a minute takes a fraction of one."""
    text = '{"k":' + piece * (128 * 1024 // len(piece))
    started = time.perf_counter()
    list(json_objects(text))

    assert time.perf_counter() - started < 5.0


def test_candidates_are_few() -> None:
    """Braces in prose are tried, but not for ever."""
    assert list(json_objects("{x} " * CANDIDATES_MAX + '{"a": 1}')) == []


@given(st.dictionaries(st.text(), JSON_TEXT), st.booleans())
def test_valid_json_is_read_as_json_reads_it(value: dict[str, Any], ascii_only: bool) -> None:
    """Tolerance changes nothing where none is needed."""
    assert list(json_objects(json.dumps(value, ensure_ascii=ascii_only))) == [value]


@given(st.dictionaries(st.text(), JSON_TEXT), st.data())
def test_a_cut_never_raises(value: dict[str, Any], data: st.DataObject) -> None:
    """This holds wherever the text ends."""
    text = json.dumps(value)
    end = data.draw(st.integers(0, len(text)))

    found = list(json_objects(text[:end]))

    assert len(found) <= text[:end].count("{")
    assert all(isinstance(one, dict) for one in found)
