"""What is no part of an answer is never stored in a field of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.answer.leaks import leak
from capscan.core.answer.prompt import answer_schema
from capscan.core.answer.reading import read_answer
from capscan.core.errors import InvalidAnswer
from tests.core.answer.answers import RIGHT

MARKS = [
    "</description>\n<parameter name=\"x\">[\"x\"]", "<parameter name=\"x\">", "</parameter>",
    "<invoke name=\"record\">", "</invoke>", "</antml parameter>", "</antml-parameter>",
    "<function_calls>", "<tool_call>", "</tool_call>", "<function=record>", "</function>",
    "<|im_start|>", "<|channel|>final<|message|>", "<｜tool▁sep｜>", "[TOOL_CALLS]", "[/INST]",
    "<<<PAYLOAD", "</payload>", "</answer>", "<useCase>", "</capabilities>", "<start_of_turn>",
    "◁think▷", "<unused94>", "<channel|>", "<arg_key>",
]  # fmt: skip


def answer(**changes: Any) -> str:
    return json.dumps(RIGHT | changes)


@given(st.sampled_from(MARKS), st.sampled_from(["description", "useCase"]), st.data())
def test_markup_of_a_tool_is_never_stored(mark: str, name: str, data: st.DataObject) -> None:
    """Wherever in a field it stands."""
    text = RIGHT[name]
    at = data.draw(st.integers(0, len(text)))
    with pytest.raises(InvalidAnswer, match=f"{name} holds what is no part of it"):
        read_answer(answer(**{name: text[:at] + mark + text[at:]}))


@pytest.mark.parametrize("mark", MARKS)
def test_an_item_of_a_list_is_a_field_too(mark: str) -> None:
    with pytest.raises(InvalidAnswer, match="holds what is no part of it"):
        read_answer(answer(providers=["Harbour Master", f"Tides{mark}"]))


@pytest.mark.parametrize(
    "text",
    [
        "<think>A berth?</think>A berth that is kept free.",
        "A berth that is kept free.</think>",
        "A berth. <thinking>What else?",
        "</think> A berth.",
    ],
)
def test_thoughts_are_never_stored(text: str) -> None:
    with pytest.raises(InvalidAnswer, match="description holds"):
        read_answer(answer(description=text))


@pytest.mark.parametrize(
    "text",
    [
        'A berth.", "useCase": "When a ship comes.',
        "A berth.', 'providers': ['Harbour Master",
        "A berth. useCase: When a ship comes.",
    ],
)
def test_a_field_that_swallowed_the_next_one_is_not_stored(text: str) -> None:
    with pytest.raises(InvalidAnswer, match="description holds"):
        read_answer(answer(description=text))


@pytest.mark.parametrize(
    "end", ["<|im_end|>", "</s>", " <|eot_id|>", "<end_of_turn>\n", "<｜end▁of▁sentence｜>"]
)
def test_the_end_of_a_turn_is_cut_off(end: str) -> None:
    """There the text is right."""
    assert read_answer(answer(description=f"A berth.{end}")).description == "A berth."


@pytest.mark.parametrize(
    "text",
    [
        "A route to <name>.<namespace>.svc.",
        "It renders {{ .Values.name }} and <parameter> elements of an XML file.",
        "It compares a < b | c > d and lists [a, b].",
        "It drops what a model writes between <think> and </think>.",
        "An <input> of an HTML form, with its </form>.",
    ],
)
def test_other_tags_are_part_of_the_text(text: str) -> None:
    """Descriptions of CRDs are full of names that stand for something."""
    assert leak(text) == ""
    assert read_answer(answer(description=text)).description == text


@pytest.mark.parametrize(
    "text",
    ["string", "...", "…", "<a short text>", "{description}", "N/A", "TODO", "What it is.",
     "When one would reach for it. At most 600 characters.", "Lorem ipsum dolor sit amet.",
     "one or two plain sentences: what an object of this kind is",
     "That answer could not be used: it is empty."],
)  # fmt: skip
def test_the_words_of_the_question_are_no_answer(text: str) -> None:
    for name in ("description", "useCase"):
        with pytest.raises(InvalidAnswer, match=f"{name} says nothing of its own"):
            read_answer(answer(**{name: text}))


@pytest.mark.parametrize(
    "item", ["string", "...", "One thing a user can do with it.", "A concept."]
)
def test_an_item_that_gives_the_schema_back_is_no_answer(item: str) -> None:
    with pytest.raises(InvalidAnswer, match="abstractions says nothing of its own"):
        read_answer(answer(abstractions=[item]))


def test_the_schema_itself_is_no_answer() -> None:
    for told in (answer_schema(), {"name": "analysis", "schema": answer_schema()}):
        with pytest.raises(InvalidAnswer):
            read_answer(json.dumps(told))
