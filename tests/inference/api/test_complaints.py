"""complaint: all words of an error, wherever they stand, and none of the question."""

import json

import pytest

from capscan.inference.api.complaints import complaint
from capscan.inference.api.http import HttpReply


def of(body: object, **headers: str) -> str:
    raw = body if isinstance(body, str) else json.dumps(body)
    return complaint(HttpReply(400, headers, raw.encode()))


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"error": {"message": "x" * 2_000 + " max_items"}}, "max_items"),
        (
            {"error": {"message": "m", "metadata": {"raw": '{"detail": "no grammar"}'}}},
            "no grammar",
        ),
        ({"message": "m", "param": "response_format"}, "response_format"),
        ({"detail": [{"loc": ["body", "strict"], "msg": "no", "input": True}]}, "body.strict"),
        ([{"error": {"details": [{"fieldViolations": [{"description": "xyz"}]}]}}], "xyz"),
        ({"error": "a text alone"}, "a text alone"),
        ("Failed to deserialize the body: `json_schema`", "json_schema"),
    ],
)
def test_every_word_is_found(body: object, word: str) -> None:
    assert word in of(body)


@pytest.mark.parametrize("name", ["input", "messages", "prompt", "request"])
def test_the_question_is_left_out_where_it_is_repeated(name: str) -> None:
    """A CRD may speak of anything."""
    told = of({"error": {"message": "no", name: [{"content": "tools, json_schema"}]}})

    assert told == "no"


def test_a_template_that_is_printed_whole_says_nothing() -> None:
    """It names every part there is."""
    told = of({"error": {"message": "Jinja Exception: no system\n{% if tools %}{{ tools }}"}})

    assert told == "Jinja Exception: no system\n"


def test_a_web_page_and_endless_nesting_say_nothing() -> None:
    assert of("<html><body>response_format</body></html>", **{"content-type": "text/html"}) == ""
    assert of('{"a": ' + "[" * 900 + '"json_schema"' + "]" * 900 + "}") == ""
