"""read_answer: what models write, and what becomes of it."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.answer.reading import ANSWER_CHARS_MAX, clean, read_answer
from capscan.core.errors import InvalidAnswer
from capscan.model import Analysis, Complexity

FIELDS: dict[str, Any] = {
    "capabilities": ["Issue certificates", "Renew certificates"],
    "providers": ["Let's Encrypt"],
    "abstractions": ["certificate"],
    "complexity": "medium",
    "description": "A certificate. It is kept up to date.",
    "useCase": "When a service needs TLS.",
    "confidence": 0.9,
}
READ = Analysis.model_validate(FIELDS)


def answer(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (FIELDS | changes).items() if value is not ...}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps(FIELDS), id="plain"),
        pytest.param("\ufeff" + json.dumps(FIELDS), id="byte order mark"),
        pytest.param(f"Here you are:\n```json\n{json.dumps(FIELDS)}\n```\n", id="fenced"),
        pytest.param(f"<think>{{'a': 1}} or so</think>{json.dumps(FIELDS)}", id="after thoughts"),
        pytest.param(json.dumps({"analysis": FIELDS}), id="nested under a key"),
        pytest.param(json.dumps({"result": [{"crd": FIELDS}]}), id="nested in a list"),
        pytest.param(json.dumps(json.dumps(FIELDS)), id="encoded twice"),
        pytest.param(json.dumps({"answer": json.dumps(FIELDS)}), id="encoded under a key"),
        pytest.param(json.dumps([FIELDS]), id="in a list"),
        pytest.param(json.dumps(FIELDS | {"notes": ["more"], "kind": "X"}), id="extra fields"),
        pytest.param('{"example": 1} ' + json.dumps(FIELDS), id="second object"),
        pytest.param(json.dumps(FIELDS).removesuffix("}"), id="one brace short"),
        pytest.param(json.dumps(FIELDS).replace("useCase", "use_case"), id="snake case"),
        pytest.param(json.dumps(FIELDS).replace("medium", "MEDIUM"), id="capitals"),
        pytest.param(json.dumps(FIELDS).replace("0.9", '"90%"'), id="per cent"),
    ],
)
def test_deviations_in_form_are_forgiven(text: str) -> None:
    """All of these say the same."""
    assert read_answer(text) == READ


def test_a_parsed_object_will_do() -> None:
    """Tool calls bring one; it may be wrapped as well."""
    assert read_answer(FIELDS) == READ
    assert read_answer({"input": FIELDS}) == READ


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "the answer is empty", id="empty"),
        pytest.param("<think>hm</think> ", "the answer is empty", id="only thoughts"),
        pytest.param("I cannot\x1b[31m.", "no JSON object; it begins 'I cannot.'", id="prose"),
        pytest.param('{"a": 1}', "none of the fields that were asked for", id="another object"),
        pytest.param(json.dumps(answer(useCase=...)), "no useCase", id="a field short"),
        pytest.param(json.dumps(answer(useCase=None, confidence=...)), "no useCase, confidence",
                     id="two fields short"),
        pytest.param(json.dumps(answer(description=" \u200b")), "description is", id="blank"),
        pytest.param(json.dumps(answer(description="")), "description is empty", id="empty text"),
        pytest.param(json.dumps(answer(useCase=["a"])), "useCase is not a text", id="no text"),
        pytest.param(json.dumps(answer(providers={"a": 1})), "providers is not", id="no list"),
        pytest.param(json.dumps(answer(complexity="low to medium")), "'low to medium', not one of",
                     id="undecided"),
        pytest.param(json.dumps(answer(complexity=[1])), "complexity is a list", id="no word"),
        pytest.param(json.dumps(answer(confidence=7)), "'7', not a number from 0 to 1", id="scale"),
        pytest.param(json.dumps(answer(confidence=float("nan"))), "confidence is 'nan'", id="NaN"),
        pytest.param(json.dumps(answer(confidence=float("inf"))), "confidence is 'inf'", id="inf"),
        pytest.param(json.dumps(answer(confidence=True)), "confidence is 'True'", id="a bool"),
        pytest.param(json.dumps(answer(confidence={})), "confidence is an object", id="an object"),
        pytest.param("x" * (ANSWER_CHARS_MAX + 1), "longer than 131072 characters", id="too long"),
        pytest.param('{"a":' * 20_000, "no JSON object", id="too deep"),
    ],
)  # fmt: skip
def test_the_error_says_what_cannot_be_read(text: str, said: str) -> None:
    """Its words help the model to do better, and a person to understand."""
    with pytest.raises(InvalidAnswer) as raised:
        read_answer(text)

    assert said in raised.value.message


def test_an_answer_cut_off_is_read_if_it_says_enough() -> None:
    """Only what is missing makes it useless."""
    late = json.dumps(answer(capabilities=...) | {"capabilities": ["Issue", "Renew"]})

    assert read_answer(late[:-8]).capabilities == ["Issue"]
    with pytest.raises(InvalidAnswer, match="no confidence"):
        read_answer(json.dumps(FIELDS)[:-5])


@pytest.mark.parametrize(
    ("value", "read"),
    [
        pytest.param("- Issue\n- Renew, or revoke", ["Issue", "Renew, or revoke"], id="bullets"),
        pytest.param("1. Issue; 2) Renew", ["Issue", "Renew"], id="numbers"),
        pytest.param([{"name": "Issue", "why": "x"}, 7, None, ["y"]], ["Issue"], id="objects"),
        pytest.param(["Issue", "issue", " ISSUE "], ["Issue"], id="repeated"),
        pytest.param(["None", "n/a", "", "Unknown."], [], id="nothing"),
        pytest.param('["Issue", "Renew, or revoke"]', ["Issue", "Renew, or revoke"], id="JSON"),
        pytest.param("['Issue', 'Renew']", ["Issue", "Renew"], id="Python"),
        pytest.param(['["Issue", "Renew"]'], ["Issue", "Renew"], id="JSON in an item"),
        pytest.param({"0": "Issue", "1": "Renew"}, ["Issue", "Renew"], id="numbered"),
        pytest.param([f"Do {n}" for n in range(99)], [f"Do {n}" for n in range(16)], id="too many"),
    ],
)
def test_lists_are_put_in_order(value: Any, read: list[str]) -> None:
    """It does not matter how the model wrote them down."""
    assert read_answer(answer(capabilities=value)).capabilities == read


def test_lists_that_are_missing_are_empty_but_for_capabilities() -> None:
    """An answer without those has missed the question."""
    assert read_answer(answer(providers=..., abstractions=None)).providers == []
    with pytest.raises(InvalidAnswer, match="no capabilities"):
        read_answer(answer(capabilities=None))


def test_names_in_one_string_are_told_apart_at_commas() -> None:
    """In what one can do, a comma is part of the sentence."""
    assert read_answer(answer(providers="AWS, GCP")).providers == ["AWS", "GCP"]
    assert read_answer(answer(capabilities="Issue, renew")).capabilities == ["Issue, renew"]


def test_long_text_is_cut_at_a_word() -> None:
    """The text keeps the bounds of the Capability."""
    read = read_answer(answer(description="word " * 1000, capabilities=["Do " * 1000]))

    assert read.description.endswith("word…")
    assert len(read.description) <= 600
    assert len(read.capabilities[0]) <= 100


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("a\u202eb\u2066c\u061cd", "abcd"),
        ("tag\U000e0041\U000e0042", "tag"),
        ("bell\x07 and\r\nline", "bell and line"),
        ("lone\ud800", "lone"),
    ],
)
def test_text_is_safe_to_print(raw: str, shown: str) -> None:
    """Nothing reaches a terminal that moves its cursor or turns text around."""
    assert clean(raw) == shown
    assert read_answer(answer(useCase=f"x {raw}")).use_case == f"x {shown}"


@pytest.mark.parametrize(
    ("said", "read"),
    [(95, 0.95), ("95", 0.95), ("90 %", 0.9), ("0,9", 0.9), ("9/10", 0.9), ("0.9/1", 0.9)],
)
def test_a_confidence_may_be_written_in_other_ways(said: Any, read: float) -> None:
    """A number of two digits is a percentage: nobody means a scale that ends at 1 with it."""
    assert read_answer(answer(confidence=said)).confidence == pytest.approx(read)


@pytest.mark.parametrize(("said", "read"), [(1.05, 1.0), (-0.02, 0.0), ("0.5", 0.5), (1, 1.0)])
def test_a_confidence_just_outside_is_clamped(said: Any, read: float) -> None:
    """It is a slip, not another scale."""
    assert read_answer(answer(confidence=said)).confidence == read


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


@given(
    st.text()
    | st.text(alphabet="{}[]\":,\\ \n/*#'ab1")
    | VALUES.map(json.dumps)
    | st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, VALUES)).map(json.dumps)
)
def test_any_text_is_an_analysis_or_an_invalid_answer(text: str) -> None:
    """No text of a stranger raises anything else, or gets past the bounds."""
    with contextlib.suppress(InvalidAnswer):
        found = read_answer(text)
        assert Analysis.model_validate(found.to_wire()) == found


SOUND = {
    "capabilities": st.lists(st.text()),
    "complexity": st.sampled_from(Complexity),
    "description": st.text(min_size=1),
    "useCase": st.text(min_size=1),
    "confidence": st.floats(-1, 2),
}


@given(
    st.fixed_dictionaries(SOUND, optional={n: VALUES for n in FIELDS if n not in SOUND}),
    st.data(),
)
def test_mutilated_answers_are_read_or_refused(fields: dict[str, Any], data: st.DataObject) -> None:
    """They are cut anywhere, and have anything put in anywhere."""
    text = json.dumps(fields)
    at = data.draw(st.integers(0, len(text)))
    text = text[:at] + data.draw(st.text(max_size=3)) + text[at : data.draw(st.integers(at))]
    with contextlib.suppress(InvalidAnswer):
        found = read_answer(text)
        assert Analysis.model_validate(found.to_wire()) == found
