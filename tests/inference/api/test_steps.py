"""What servers refuse, in their own kind of words, and what is asked for after that."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from capscan.core.answer.prompt import Prompt, first_prompt, repair_prompt
from capscan.inference.api import anthropic, openai
from capscan.inference.api.dialect import Dialect, Form, Negotiation, Tool
from capscan.inference.api.http import Json
from capscan.inference.api.steps import (
    ANTHROPIC_STEPS,
    OPENAI_STEPS,
    REFUSALS_MAX,
    guessed_form,
    guessed_tool,
)
from capscan.inference.asking import RENEGOTIATIONS_MAX

PROMPT: Prompt = repair_prompt(first_prompt("kind: Widget"), "{", "it is half")
NEW, OLD = "max_completion_tokens", "max_tokens"
NAMES_NOTHING = "400 Request contains an invalid argument. INVALID_ARGUMENT"


def left_out(*names: str) -> Dialect:
    return Dialect(left_out=frozenset(names))


def openai_server(dialect: Dialect = Dialect()) -> Negotiation:  # noqa: B008
    return Negotiation(dialect, OPENAI_STEPS, guessed_form)


def anthropic_server(dialect: Dialect = Dialect()) -> Negotiation:  # noqa: B008
    return Negotiation(dialect, ANTHROPIC_STEPS, guessed_tool)


@pytest.mark.parametrize(
    ("refusal", "understood"),
    [
        # A system prompt of its own.
        ("System role is not supported by this template", Dialect(has_system_role=False)),
        ("Only user and assistant roles are supported!", Dialect(has_system_role=False)),
        ("Conversation roles must alternate user/assistant/...", Dialect(has_system_role=False)),
        ("'messages[0].role' does not support 'system' here", Dialect(has_system_role=False)),
        ("Developer instruction is not enabled for gemma", Dialect(has_system_role=False)),
        # The schema: its bounds, then all of it.
        ("Failed to initialize samplers: failed to parse grammar", Dialect(bounded=False)),
        ("The JSON schema contains features that xgrammar has not", Dialect(bounded=False)),
        ("Unsupported JSON schema fields: {'minItems'}", Dialect(bounded=False)),
        ("The schema produces a constraint that has too many states", Dialect(bounded=False)),
        ("Invalid schema for response_format: 'maxLength' is not permitted.",
         left_out("maxLength")),
        ("response_format.type `json_schema` is unavailable now", Dialect(form=Form.OBJECT)),
        # What is named alone is left out.
        ("Unknown name \"strict\" at 'response_format.json_schema': Cannot find field.",
         left_out("strict")),
        ("Unknown name \"maxItems\": Cannot find field. Unknown name \"additionalProperties\"",
         left_out("maxItems", "additionalProperties")),
        ("extra_forbidden body.response_format.json_schema.strict Extra inputs are not permitted",
         left_out("strict")),
        # The name of the limit, not its number.
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
         Dialect(limit=NEW, left_out=frozenset({OLD}))),
        ("Unrecognized request argument supplied: max_tokens",
         Dialect(limit=NEW, left_out=frozenset({OLD}))),
        ("extra_forbidden body.max_tokens Extra inputs are not permitted",
         Dialect(limit=NEW, left_out=frozenset({OLD}))),
        ("'max_tokens' or 'max_completion_tokens' is too large: 8192.", None),
        ("max_tokens must be less than or equal to 4096", None),
        ("Invalid max_tokens value, the valid range is [1, 8192]", None),
        # Others.
        ("enable_thinking must be false for calls that do not stream", Dialect(thinks=False)),
        ("No endpoints found that take the requested parameters.", Dialect(form=Form.OBJECT)),
        ("tool_choice: not supported", None),
        ("messages: at least one is required", None),
        ("the model is not supported", None),
        ("", None),
    ],
)  # fmt: skip
def test_what_a_chat_completion_goes_without(refusal: str, understood: Dialect | None) -> None:
    server = openai_server()

    assert server.moves_on(Dialect(), refusal) == (understood is not None)
    assert server.dialect == (understood or Dialect())


@pytest.mark.parametrize(
    ("refusal", "understood"),
    [
        ("system.0.cache_control: Extra inputs are not permitted", Dialect(marks_cache=False)),
        ("an unsupported model, or the request did not allow prompt caching",
         Dialect(marks_cache=False)),
        ("system: Input should be a valid string", Dialect(marks_cache=False)),
        ("System role not supported", Dialect(has_system_role=False)),
        ("tools.0.custom.input_schema: maxLength is not supported here", Dialect(bounded=False)),
        ("Thinking may not be enabled when tool_choice forces tool use.",
         Dialect(tool=Tool.OFFERED)),
        ("No endpoints found that support the provided 'tool_choice' value.",
         Dialect(tool=Tool.OFFERED)),
        ('"auto" tool choice requires --enable-auto-tool-choice', Dialect(tool=Tool.NONE)),
        ("widget-model does not support tools", Dialect(tool=Tool.NONE)),
        ("tools param requires --jinja flag", Dialect(tool=Tool.NONE)),
        ("max_tokens: 8192 > 4096, the maximum allowed number of output tokens", None),
        ("messages: at least one is required", None),
    ],
)  # fmt: skip
def test_what_a_message_goes_without(refusal: str, understood: Dialect | None) -> None:
    server = anthropic_server()

    assert server.moves_on(Dialect(), refusal) == (understood is not None)
    assert server.dialect == (understood or Dialect())


def test_both_names_of_the_limit_may_be_refused() -> None:
    """Then none is sent, and nothing is tried twice."""
    server = openai_server()
    for name in (OLD, NEW):
        assert server.moves_on(server.dialect, f"Unsupported parameter: '{name}'")

    assert server.dialect.limit == ""
    assert OLD not in openai.request_body("m", PROMPT, 10, server.dialect)
    assert not server.moves_on(server.dialect, f"Unsupported parameter: '{OLD}'")


@pytest.mark.parametrize(
    ("server", "last"),
    [
        (openai_server(), Dialect(bounded=False, form=Form.TEXT)),
        (anthropic_server(), Dialect(bounded=False, tool=Tool.NONE)),
    ],
)
def test_a_refusal_that_names_nothing_is_taken_to_be_about_the_schema(
    server: Negotiation, last: Dialect
) -> None:
    """First about its bounds."""
    assert server.moves_on(server.dialect, NAMES_NOTHING)
    assert server.dialect == Dialect(bounded=False)
    assert server.moves_on(server.dialect, NAMES_NOTHING)
    assert server.dialect == last
    server.answered(last)
    assert server.dialect == last


def test_a_guess_that_did_not_help_is_taken_back() -> None:
    """And not made again: the refusal counts from then on."""
    server = openai_server()
    for _ in range(2):
        assert server.moves_on(server.dialect, NAMES_NOTHING)
    assert not server.moves_on(server.dialect, NAMES_NOTHING)

    assert server.dialect == Dialect()
    assert not server.moves_on(server.dialect, NAMES_NOTHING)


def test_nothing_is_guessed_of_a_request_like_one_that_was_answered() -> None:
    """What is refused then is about this CRD."""
    server = openai_server()
    server.answered(Dialect())

    assert not server.moves_on(Dialect(), NAMES_NOTHING)
    assert server.dialect == Dialect()


def test_a_grammar_that_lets_a_model_run_on_is_left() -> None:
    """After two answers in a row that did."""
    server = openai_server()
    server.answered(Dialect(), rambled=True)
    server.answered(Dialect())
    server.answered(Dialect(), rambled=True)
    assert server.dialect == Dialect()

    server.answered(Dialect(), rambled=True)
    assert server.dialect == Dialect(form=Form.TEXT)


Offence = tuple[Callable[[Json], bool], str]
"""A part of a request, and how a server refuses it."""

_OPENAI_PARTS: dict[str, Offence] = {
    "system": (lambda b: b["messages"][0]["role"] == "system", "System role not supported"),
    "bounds": (lambda b: "maxItems" in str(b), "schema: maxItems and maxLength: no"),
    "strict": (lambda b: "strict" in str(b.get("response_format")), 'Unknown name "strict"'),
    "schema": (lambda b: "json_schema" in str(b), "response_format json_schema: unavailable"),
    "object": (lambda b: "json_object" in str(b), "response_format json_object: unavailable"),
    "old": (lambda b: OLD in b, f"Unsupported parameter: '{OLD}'"),
    "new": (lambda b: NEW in b, f"Unsupported parameter: '{NEW}'"),
    "thinks": (lambda b: "enable_thinking" not in b, "enable_thinking must be false"),
}
_ANTHROPIC_PARTS: dict[str, Offence] = {
    "cache": (lambda b: "cache_control" in str(b), "cache_control: Extra inputs"),
    "system": (lambda b: "system" in b, "System role not supported"),
    "bounds": (lambda b: "maxItems" in str(b), "input_schema: maxItems"),
    "forced": (lambda b: b.get("tool_choice", {}).get("type") == "tool", "tool_choice: no"),
    "tools": (lambda b: "tools" in b, "the model does not support tools"),
}


@pytest.mark.parametrize(
    ("parts", "body", "start"),
    [
        (_OPENAI_PARTS, openai.request_body, openai_server),
        (_ANTHROPIC_PARTS, anthropic.request_body, anthropic_server),
    ],
)
def test_every_server_is_understood(
    parts: dict[str, Offence],
    body: Callable[[str, Prompt, int, Dialect], Json],
    start: Callable[[], Negotiation],
) -> None:
    """Whatever it refuses of a request, one request is lost for each part at most."""
    for count in range(len(parts) + 1):
        for refused in itertools.combinations(parts, count):
            server, lost = start(), 0
            while said := next(
                (
                    parts[name][1]
                    for name in refused
                    if parts[name][0](body("m", PROMPT, 10, server.dialect))
                ),
                "",
            ):
                assert server.moves_on(server.dialect, said), (refused, said)
                lost += 1
            assert lost <= count, refused
            assert lost < REFUSALS_MAX <= RENEGOTIATIONS_MAX


def test_the_harshest_dialect_still_asks_the_whole_question() -> None:
    """Turns begin with the user and alternate; the prompt asks for JSON by itself."""
    harshest = Dialect(
        form=Form.TEXT, tool=Tool.NONE, limit="", has_system_role=False, marks_cache=False
    )
    for request_body in (openai.request_body, anthropic.request_body):
        body = request_body("m", PROMPT, 10, harshest)
        turns = body["messages"]

        assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
        assert turns[0]["content"].startswith(PROMPT.system)
        assert turns[0]["content"].endswith(PROMPT.messages[0].text)
        assert set(body) <= {"model", "messages", "max_tokens"}


@pytest.mark.parametrize("request_body", [openai.request_body, anthropic.request_body])
def test_no_sampling_parameter_is_ever_sent(
    request_body: Callable[[str, Prompt, int, Dialect], Json],
) -> None:
    """There are servers that refuse each of them."""
    sampling = {"temperature", "top_p", "top_k", "seed", "stop", "n", "presence_penalty", "stream"}

    assert not sampling & set(request_body("m", PROMPT, 10, Dialect()))


def test_a_keyword_is_left_out_and_a_field_of_that_name_stays() -> None:
    """The answer has a field called description, and each field has one in the schema."""
    for body in (
        openai.request_body("m", PROMPT, 10, left_out("description", "maxItems")),
        anthropic.request_body("m", PROMPT, 10, left_out("description", "maxItems")),
    ):
        asked = body.get("response_format", {}).get("json_schema", {}).get("schema")
        schema = asked or body["tools"][0]["input_schema"]
        assert set(schema["properties"]["description"]) == {"type", "maxLength"}
        assert set(schema["properties"]["capabilities"]) == {"type", "items"}


def test_a_dialect_without_bounds_has_none() -> None:
    bounded = openai.request_body("m", PROMPT, 10, Dialect())
    free = openai.request_body("m", PROMPT, 10, replace(Dialect(), bounded=False))

    assert "maxItems" in str(bounded)
    assert "maxLength" in str(bounded)
    assert "maxItems" not in str(free)
    assert "maxLength" not in str(free)
