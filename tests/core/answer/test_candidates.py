"""The answer is found wherever a model put it, and no draft is ever taken for it."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capscan.core.answer.reading import read_answer
from capscan.core.errors import InvalidAnswer
from capscan.model import Analysis
from tests.core.answer.answers import DRAFT, RIGHT, WRAPS, draft, right

READ = Analysis.model_validate(RIGHT)


@pytest.mark.parametrize("name", WRAPS)
def test_an_answer_in_any_wrapping_is_read(name: str) -> None:
    """A draft stands before it, or after it."""
    assert read_answer(WRAPS[name](draft, right)) == READ


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"<think>{draft}</think>", id="thoughts alone"),
        pytest.param(f"<think>{draft} but no, that is wrong", id="thoughts without an end"),
        pytest.param(f"<|channel|>analysis<|message|>{draft}<|end|>", id="one channel"),
        pytest.param(f"[THINK]{draft}[/THINK]\nI cannot say.", id="nothing after them"),
        pytest.param(f"so {draft}</think>", id="no beginning"),
    ],
)
def test_a_draft_alone_is_no_answer(text: str) -> None:
    with pytest.raises(InvalidAnswer):
        read_answer(text)


def test_a_mark_inside_of_the_answer_is_no_mark() -> None:
    """A CRD may be about models."""
    told = RIGHT | {"description": "It drops what a model writes before </think> in a reply."}

    assert read_answer(json.dumps(told)).description == told["description"]
    assert read_answer(f"<think>hm</think>{json.dumps(told)}").use_case == RIGHT["useCase"]


def test_thoughts_are_looked_at_where_the_answer_has_no_object() -> None:
    """Some servers take all that a model writes for its thoughts."""
    assert read_answer("", thoughts=right) == READ
    assert (
        read_answer(" \n", thoughts=f"Let me see. {draft} Rather:\n```json\n{right}\n```") == READ
    )
    assert read_answer(right, thoughts=draft) == READ
    with pytest.raises(InvalidAnswer, match="is empty"):
        read_answer("", thoughts=f"Perhaps {draft}, or something else.")
    with pytest.raises(InvalidAnswer, match="is empty"):
        read_answer("", thoughts=right[:-30])


def test_a_later_answer_that_lacks_a_field_is_not_replaced_by_the_draft_before_it() -> None:
    """Its model is asked to complete it."""
    short = {name: value for name, value in RIGHT.items() if name != "useCase"}
    with pytest.raises(InvalidAnswer, match="no useCase"):
        read_answer(f"{draft}\n{json.dumps(short)}")


def test_only_whole_json_counts_where_nobody_knows_how_the_answer_ended() -> None:
    assert read_answer(right, whole=True) == READ
    for text in (right[:-1], right[:-40], right.replace('"', "'")):
        with pytest.raises(InvalidAnswer):
            read_answer(text, whole=True)


@pytest.mark.parametrize("name", ["description", "useCase"])
def test_a_sentence_that_breaks_off_is_not_stored(name: str) -> None:
    """Though all other fields are there."""
    last = json.dumps({k: v for k, v in RIGHT.items() if k != name} | {name: RIGHT[name]})
    with pytest.raises(InvalidAnswer, match=f"breaks off in {name}"):
        read_answer(last[:-12])


TEXTS = st.text(alphabet="abc de,.:;-'éß", max_size=40)
ANSWERS = st.fixed_dictionaries(
    {
        "capabilities": st.lists(TEXTS.map(lambda text: f"Do {text}"), min_size=1, max_size=4),
        "providers": st.lists(TEXTS.map(lambda text: f"Vendor {text}"), max_size=3),
        "abstractions": st.lists(TEXTS.map(lambda text: f"thing {text}"), max_size=3),
        "complexity": st.sampled_from(["low", "medium", "high"]),
        "description": TEXTS.map(lambda text: f"A thing of {text}."),
        "useCase": TEXTS.map(lambda text: f"When one needs {text}."),
        "confidence": st.floats(0, 1).map(lambda number: round(number, 2)),
    }
)


@settings(max_examples=300, deadline=None)
@given(ANSWERS, st.sampled_from(sorted(WRAPS)))
def test_a_wrapping_changes_nothing(answer: dict[str, Any], name: str) -> None:
    """Whatever the answer says: it is read as it is read alone."""
    alone = json.dumps(answer)

    assert read_answer(WRAPS[name](draft, alone)) == read_answer(alone)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(WRAPS)), st.data())
def test_a_wrapping_that_is_mutilated_is_read_or_refused(name: str, data: st.DataObject) -> None:
    text = WRAPS[name](draft, right)
    at = data.draw(st.integers(0, len(text)))
    text = (
        text[:at] + data.draw(st.text(max_size=3)) + text[data.draw(st.integers(at, len(text))) :]
    )
    with contextlib.suppress(InvalidAnswer):
        found = read_answer(text)
        assert Analysis.model_validate(found.to_wire()) == found


@pytest.mark.parametrize(
    "piece",
    [
        "<think>", "</think>", "<think>{", '{"a":1}</think>', "<|channel|>final<|message|>", "{",
        '{"', '{"a":"', "<parameter=x>", "<arg_key>x</arg_key><arg_value>", '{"calls":["{', "&lt;",
        "<think ", "```thinking\n{", "[THINK]{}", '{"capabilities":[{"description":', "\\\"{",
    ],
)  # fmt: skip
def test_the_work_is_bounded(piece: str) -> None:
    """Marks and braces without end take no more than a moment."""
    text = piece * (100 * 1024 // len(piece))
    started = time.perf_counter()
    with contextlib.suppress(InvalidAnswer):
        read_answer(text, thoughts=text)

    assert time.perf_counter() - started < 10.0


def test_the_draft_is_an_answer_itself() -> None:
    """Otherwise the tests above would show nothing."""
    assert read_answer(draft).description == DRAFT["description"]
