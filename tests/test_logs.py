"""The two formats of the log."""

import ast
import io
import json
import logging
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from capscan.logs import FIELDS, MESSAGE_CHARS_MAX, TEXT, JsonFormatter, TextFormatter

ROOT = Path(__file__).parents[1]

Written = tuple[logging.Logger, io.StringIO]


def written(formatter: logging.Formatter) -> Written:
    """Return a logger without pytest's handlers: its workers cannot report half a surrogate."""
    logger = logging.Logger("capscan.scan")  # noqa: LOG001
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    return logger, stream


@pytest.fixture
def as_json() -> Written:
    return written(JsonFormatter())


@pytest.fixture
def as_text() -> Written:
    return written(TextFormatter(TEXT))


def only(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    entry: dict[str, Any] = json.loads(line)
    return entry


def test_a_line_of_json_says_when_who_and_what(as_json: Written) -> None:
    """The fields come in the order in which one reads them."""
    logger, stream = as_json

    logger.warning("%s failed", "a", extra={"scan": "s", "reason": "Timeout", "attempts": 4})

    entry = only(stream)
    assert list(entry) == ["time", "level", "logger", "message", "scan", "reason", "attempts"]
    assert entry | {"time": ""} == {
        "time": "",
        "level": "warning",
        "logger": "capscan.scan",
        "message": "a failed",
        "scan": "s",
        "reason": "Timeout",
        "attempts": 4,
    }
    assert entry["time"].endswith("Z")
    assert datetime.fromisoformat(entry["time"]).tzinfo is not None


def test_fields_that_other_packages_attach_stay_out(as_json: Written) -> None:
    """What they attach may be anything, a token too."""
    logger, stream = as_json

    logger.info("hello", extra={"token": "hush"})

    assert "hush" not in stream.getvalue()


def test_nothing_ends_a_line_of_json_early(as_json: Written) -> None:
    """The message has line ends of every alphabet, half a surrogate, and a traceback."""
    logger, stream = as_json

    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logger.exception("a\nb\u2028c\x85d\ud800")

    entry = only(stream)
    assert entry["message"] == "a\nb\u2028c\x85d\ud800"
    assert entry["exception"].startswith("Traceback")
    assert entry["exception"].endswith("ValueError: first\nsecond\n")


def test_no_message_forges_a_line_of_text(as_text: Written) -> None:
    """What a server said may have line ends in it."""
    logger, stream = as_text

    logger.error("refused: %s", "because\r\n  2026-01-01 INFO capscan: all is well")

    (line,) = stream.getvalue().splitlines()
    assert line.endswith(
        "ERROR   capscan.scan: refused: because 2026-01-01 INFO capscan: all is well"
    )


def test_a_line_of_text_gives_no_orders_to_a_terminal(as_text: Written) -> None:
    """What a server said may have colours, titles and hidden marks in it."""
    logger, stream = as_text

    logger.error("refused: %s", "\x1b[2J\x9b31m\u2028all is well\u202e\ud800")

    assert stream.getvalue().endswith(
        r"refused: \x1b[2J\x9b31m\u2028all is well\u202e\ud800" + "\n"
    )


def test_no_exception_forges_a_line_of_text(as_text: Written) -> None:
    """Lines of a traceback are indented, and its messages escaped."""
    logger, stream = as_text

    try:
        raise ValueError("first\n2026-01-01 INFO capscan: all is \x1b[32mwell")
    except ValueError:
        logger.exception("it broke")

    head, *below = stream.getvalue().splitlines()
    assert head.endswith("it broke")
    assert below[0] == "  Traceback (most recent call last):"
    assert below[-1] == r"  2026-01-01 INFO capscan: all is \x1b[32mwell"
    assert all(line.startswith("  ") for line in below)


@pytest.mark.parametrize("style", [TextFormatter(TEXT), JsonFormatter()], ids=["text", "json"])
def test_a_message_without_end_is_cut(style: logging.Formatter) -> None:
    """It may be a page that some server sent, and white space takes no longer than words."""
    logger, stream = written(style)

    logger.warning("%s", "x" + " " * 1_000_000 + "\n" + "y" * 1_000_000)

    assert len(stream.getvalue()) < MESSAGE_CHARS_MAX + 200


@pytest.mark.parametrize("style", [TextFormatter(TEXT), JsonFormatter()], ids=["text", "json"])
def test_a_traceback_without_end_is_cut_and_ends_with_the_exception(
    style: logging.Formatter,
) -> None:
    """Exceptions quote what strangers wrote: packages that parse quote all of it."""
    logger, stream = written(style)

    try:
        raise ValueError("quoted: " + "x" * 1_000_000)
    except ValueError:
        logger.exception("it broke")

    assert len(stream.getvalue()) < 2 * MESSAGE_CHARS_MAX
    assert "ValueError: quoted: xxx" in stream.getvalue()


def attached() -> set[str]:
    """Return the keys of every `extra=` in the source, with those that the `_fields` methods make
    and are given, and those that are handed on to them as `**more`.
    """
    names: set[str] = set()
    for file in (ROOT / "operator").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        passing = _passing_on(tree)
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef(name="_fields"):
                    names |= _keys(node)
                case ast.Call(func=ast.Attribute(attr=called)) if called in passing:
                    names |= _named(node)
                case ast.keyword(arg="extra"):
                    names |= _keys(node.value)
    return names


def _passing_on(tree: ast.AST) -> set[str]:
    """Return the methods whose `**more` goes into an `extra=`."""
    return {
        method.name
        for method in ast.walk(tree)
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.args.kwarg
        for extra in ast.walk(method)
        if isinstance(extra, ast.keyword) and extra.arg == "extra"
    }


def _keys(value: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(value):
        if isinstance(node, ast.Dict):
            found |= {str(ast.literal_eval(key)) for key in node.keys if key}
        if isinstance(node, ast.Call):
            found |= _named(node)
    return found


def _named(call: ast.Call) -> set[str]:
    return {keyword.arg for keyword in call.keywords if keyword.arg}


def test_every_field_that_is_attached_is_one_that_is_shown() -> None:
    """A misspelt field would be lost without a word."""
    assert attached() <= set(FIELDS)
    assert set(FIELDS) <= attached()


def test_warnings_of_python_are_lines_too() -> None:
    """What a package deprecates does not break a stream of JSON."""
    code = (
        "import warnings; from capscan.logs import configure_logging;"
        "configure_logging('info', 'json'); warnings.warn('old')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    (line,) = ran.stderr.splitlines()
    assert json.loads(line)["logger"] == "py.warnings"
