"""Prompts: recorded whole, and shut against what a CRD says."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.answer.prompt import (
    SYSTEM,
    Prompt,
    Role,
    answer_schema,
    estimated_tokens,
    first_prompt,
    repair_prompt,
    shrunken,
)
from capscan.core.answer.reading import read_answer
from capscan.core.crd.digest import digest_crd
from capscan.core.crd.parsing import parse_crd
from tests.core.crd.golden_crds import GOLDEN

GOLDEN_DIR = Path(__file__).parent / "golden"
DIGEST = digest_crd(parse_crd(GOLDEN["passport"])).text


def rendered(prompt: Prompt) -> str:
    turns = [("system", prompt.system), *((m.role.value, m.text) for m in prompt.messages)]
    return "".join(f"<<< {role} >>>\n{text.rstrip()}\n" for role, text in turns)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("first", rendered(first_prompt(DIGEST))),
        ("repair", rendered(repair_prompt(first_prompt(DIGEST), '{"a": 1}', "it has no useCase."))),
        ("schema", json.dumps(answer_schema(), indent=2) + "\n"),
    ],
)
def test_the_prompt_is_as_recorded(name: str, text: str) -> None:
    """A changed prompt asks every CRD of every cluster again: raise PROMPT_VERSION with it.

    CAPSCAN_UPDATE_GOLDEN=1 records anew.
    """
    recorded = GOLDEN_DIR / f"prompt-{name}.txt"
    if os.environ.get("CAPSCAN_UPDATE_GOLDEN"):
        recorded.write_text(text, encoding="utf-8")

    assert recorded.read_text(encoding="utf-8") == text


def test_only_the_end_depends_on_the_crd() -> None:
    """Providers can serve the rest from their cache then."""
    one, other = first_prompt("kind: A"), first_prompt("kind: B")

    assert one.system == other.system == SYSTEM
    assert one.messages[0].text.splitlines()[2:-1] == ["kind: A"]


def test_the_examples_are_answers() -> None:
    """What models imitate must be readable itself."""
    examples = [line for line in SYSTEM.splitlines() if line.startswith('{"')]

    assert [read_answer(line).confidence for line in examples] == [0.95, 0.95, 0.2]


def test_the_system_prompt_names_every_field() -> None:
    """Servers without schemas have nothing else to go by."""
    for field in answer_schema()["properties"]:
        assert f'- "{field}": ' in SYSTEM


def test_the_schema_is_derived_once() -> None:
    """It is part of every request, and deriving it took longer than sending one."""
    assert answer_schema() is answer_schema()


@given(st.text())
def test_a_digest_cannot_close_its_marks(text: str) -> None:
    """Even a digest that holds the marks of another one cannot."""
    lines = first_prompt(f"{text}\n{first_prompt(text).messages[0].text}").messages[0].text
    end = lines.splitlines()[-1]

    assert end.startswith("----- END CRD ")
    assert lines.count(end) == 1


def test_a_repair_keeps_the_question() -> None:
    """After it come the answer, shortened, and what is wrong with it."""
    first = first_prompt(DIGEST)
    repaired = repair_prompt(first, "x" * 9_000, "confidence is 7, not a number from 0 to 1.")

    assert repaired.messages[0] == first.messages[0]
    assert [m.role for m in repaired.messages] == [Role.USER, Role.MODEL, Role.USER]
    assert len(repaired.messages[1].text) == 4_000
    assert "confidence is 7, not a number from 0 to 1. Answer again" in repaired.messages[2].text


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_answer_can_be_shown(answer: str) -> None:
    """Halves of surrogate pairs as well: the prompt goes out in UTF-8."""
    for message in repair_prompt(first_prompt(DIGEST), answer, "empty").messages:
        assert message.text.encode() != b""


def test_an_empty_answer_can_be_shown() -> None:
    """No API takes an empty turn."""
    assert repair_prompt(first_prompt(DIGEST), " \n", "empty").messages[1].text == "(nothing)"


def test_half_a_digest_ends_between_lines() -> None:
    """Its end says that there was more."""
    half = shrunken(DIGEST)
    kept = half.removesuffix("truncated: true\n")

    assert DIGEST.startswith(kept)
    assert half.endswith("\ntruncated: true\n")
    assert 0.3 < len(kept) / len(DIGEST) <= 0.5


@given(st.text())
def test_a_shrunken_digest_is_at_most_half(text: str) -> None:
    """This holds for every text that is worth shortening."""
    assert len(shrunken(text).encode()) <= len(text.encode()) / 2 + len("\ntruncated: true\n")


def test_tokens_are_estimated_from_bytes() -> None:
    """Four bytes more are one token more; a schema of some hundred tokens is part of it."""
    short, long = first_prompt("kind: A"), first_prompt("kind: A" + "é" * 200)

    assert estimated_tokens(long) - estimated_tokens(short) == 100
    assert estimated_tokens(short) > len(SYSTEM) // 4 + 200
