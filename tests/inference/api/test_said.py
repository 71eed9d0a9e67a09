"""What a body says, whatever its shape; what that is called is in test_refusal.py."""

import json

import pytest

from capscan.inference.api.said import said_in, shown


@pytest.mark.parametrize(
    ("body", "message", "codes"),
    [
        ({"error": {"message": "No.", "type": "t", "code": "c"}}, "No.", "c t"),
        ({"error": "No."}, "No.", ""),
        ({"code": "a sentence", "error": "No."}, "No.", "a sentence"),
        ({"message": "No."}, "No.", ""),
        ({"Message": "No."}, "No.", ""),
        ({"msg": "No.", "code": 401, "success": False}, "No.", "401"),
        ({"errors": [{"message": "No.", "code": 2009}]}, "No.", "2009"),
        ({"error": [{"message": "No.", "code": 2003}]}, "No.", "2003"),
        ([{"error": {"message": "No."}}], "No.", ""),
        ({"base_resp": {"status_code": 1008, "status_msg": "No."}}, "No.", "1008"),
        ({"fault": {"faultstring": "No.", "detail": {"errorcode": "x.y"}}}, "No.", "x.y"),
        ({"title": "Error 1015", "detail": "Slow down", "status": 429}, "Error 1015: Slow down",
         "429"),
        ({"detail": [{"loc": ["body", "x"], "msg": "Field required", "input": "a question"}]},
         "body.x: Field required", ""),
        ({"error": {"message": "Failed", "metadata": {"raw": '{"message": "No."}'}}},
         "Failed: No.", ""),
        ({"error": {"message": "Failed", "metadata": {"raw": "No."}}}, "Failed: No.", ""),
        ({"error": {"message": 'X - {"error": {"message": "No.", "code": 7}}'}}, "X - No.", "7"),
        ({"error": {"message": "[1113][No.][x]"}}, "[1113][No.][x]", ""),
        ({"error": {"message": "No {model} in [a, b]"}}, "No {model} in [a, b]", ""),
        ({"error": {"message": "No.", "param": "max_tokens"}}, "No. (max_tokens)", ""),
        ({"error": {"message": "No.", "param": "None"}}, "No.", ""),
        ({"error": None, "message": None}, "", ""),
        ({}, "", ""),
    ],
)  # fmt: skip
def test_a_body_says_the_same_in_every_shape(body: object, message: str, codes: str) -> None:
    found = said_in(body)

    assert found is not None
    assert (found.message, found.codes) == (message, codes)


@pytest.mark.parametrize("body", [None, 7, "text", [], [1], [[]]])
def test_a_body_that_is_no_object_says_nothing(body: object) -> None:
    assert said_in(body) is None


def test_an_error_that_is_wrapped_again_and_again_ends() -> None:
    """Who nests deeper than errors are has nothing to say."""
    nested: object = {"message": "No."}
    for depth in range(50):
        nested = {"error": {"message": json.dumps(nested)}} if depth < 3 else {"error": nested}

    assert said_in(nested) is not None


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<html><head><TITLE>\n 502 Bad\tGateway </TITLE>", "502 Bad Gateway"),
        ('<title data-x="1">A &amp; B &lt;b&gt;</title>', "A & B <b>"),
        ("<title></title><body><h1>503 Away</h1>No server</body>", "503 Away"),
        ("<html>Plain words<br>here</html>", "Plain words here"),
        ("<html><style>p {}</style>", ""),
        ("<?xml?><Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>", "Slow down."),
        ("<title>never ends", "never ends"),
        ("<", "<"),
    ],
)
def test_of_a_page_the_title_is_told_and_never_a_tag(page: str, text: str) -> None:
    assert shown(page) == text
