"""HttpReply: what is JSON, and what is a web page."""

import pytest

from capscan.inference.api.http import HttpReply

OBJECT = {"a": "é"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\xc3\xa9"}',
        b'\xef\xbb\xbf{"a": "\xc3\xa9"}',
        b'\n\n \r\n{"a": "\xc3\xa9"}',
        b': PROCESSING\n\n: PROCESSING\n{"a": "\xc3\xa9"}',
    ],
)
def test_json_is_read_after_marks_blanks_and_comments(body: bytes) -> None:
    """Servers that take their time send blank lines or comments until they have an answer."""
    assert HttpReply(200, {}, body).json() == OBJECT


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b": only comments", b"\xff\xfe", '{"a": "é"}'.encode("utf-16"),
     '{"a": "é"}'.encode("utf-32"), b'{"a": "\xe9"}', b"[" * 100_000, b"9" * 5_000],
)  # fmt: skip
def test_what_is_no_json_in_utf_8_is_none(body: bytes) -> None:
    """Another encoding would pass what looks at the bytes, such as the search for a page."""
    assert HttpReply(200, {}, body).json() is None


@pytest.mark.parametrize(
    ("body", "label", "page"),
    [
        (b"<html>", "", True),
        (b"<!DOCTYPE html>", "application/json", True),
        (b"\xef\xbb\xbf\n <!-- by a proxy --> <HTML>", "text/plain", True),
        (b"<head><title>x", "", True),
        (b"<center>x", "", True),
        (b"Please sign in", "Text/HTML; charset=utf-8", True),
        (b'{"a": 1}', "text/html", False),
        (b"[]", "text/html", False),
        (b"<Error><Code>x</Code></Error>", "application/xml", False),
        (b"no healthy upstream", "text/plain", False),
        (b"", "", False),
        (b"<!--", "", False),
    ],
)
def test_a_page_is_told_by_its_beginning_or_its_label(body: bytes, label: str, page: bool) -> None:
    """Whatever comes before it, and whatever a gateway labels it as."""
    assert HttpReply(502, {"content-type": label}, body).is_web_page is page
