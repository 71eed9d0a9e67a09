"""A model that runs on and on is told from one that needs more room."""

import pytest

from capscan.core.answer.rambling import rambles
from tests.core.answer.answers import right


@pytest.mark.parametrize(
    "text",
    ['{"capabilities": [' + " \n" * 900, '{"description": "' + "General: " * 200,
     '{"a": ["b",' + '\n  "Make widgets of any size",' * 60],
)  # fmt: skip
def test_blanks_and_one_phrase_without_end_are_rambling(text: str) -> None:
    assert rambles(text)


@pytest.mark.parametrize(
    "text", ["", "   ", right, right * 3, "<think>" + " ".join(map(str, range(900)))]
)
def test_other_texts_are_not(text: str) -> None:
    assert not rambles(text)
