"""What is tried after a server refused a part of a request, and what is remembered of it."""

import pytest

from capscan.inference.api.dialect import Dialect, Form, Negotiation, Tool
from capscan.inference.api.steps import ANTHROPIC_STEPS, OPENAI_STEPS, guessed_form, guessed_tool

NO_FORM = "'response_format' is not supported with this model."
NO_LIMIT = "Unsupported parameter: 'max_tokens' is not supported with this model."
NO_FORCE = "tool_choice: this model does not support forced tool use"


def openai_server() -> Negotiation:
    return Negotiation(Dialect(), OPENAI_STEPS, guessed_form)


def anthropic_server() -> Negotiation:
    return Negotiation(Dialect(), ANTHROPIC_STEPS, guessed_tool)


def test_each_refusal_takes_one_step() -> None:
    server = openai_server()

    assert server.moves_on(server.dialect, NO_FORM)
    assert server.dialect == Dialect(form=Form.OBJECT)
    assert server.moves_on(server.dialect, NO_LIMIT)
    assert server.dialect == Dialect(
        form=Form.OBJECT, limit="max_completion_tokens", left_out=frozenset({"max_tokens"})
    )


def test_several_refusals_of_one_dialect_are_one() -> None:
    """Requests in flight together are refused together, and each is worth another try."""
    server = openai_server()
    spoken = server.dialect
    for _ in range(3):
        assert server.moves_on(spoken, NO_FORM)

    assert server.dialect == Dialect(form=Form.OBJECT)


def test_a_late_refusal_takes_no_step_back() -> None:
    """It answers a request that was sent before others found out more."""
    server = openai_server()
    early = server.dialect
    for _ in range(2):
        assert server.moves_on(server.dialect, NO_FORM)

    assert server.moves_on(early, NO_FORM)
    assert server.dialect == Dialect(form=Form.TEXT)


def test_after_text_there_is_nothing_left_to_try() -> None:
    server = Negotiation(Dialect(form=Form.TEXT), OPENAI_STEPS, guessed_form)

    assert not server.moves_on(server.dialect, NO_FORM)
    assert server.dialect == Dialect(form=Form.TEXT)


def test_a_model_that_was_given_the_choice_is_offered_no_tool_next() -> None:
    """Some servers know tools only in name; after that there is nothing left to try."""
    server = anthropic_server()

    assert server.moves_on(server.dialect, NO_FORCE)
    assert server.dialect == Dialect(tool=Tool.OFFERED)
    assert server.moves_on(server.dialect, NO_FORCE)
    assert server.dialect == Dialect(tool=Tool.NONE)
    assert not server.moves_on(server.dialect, NO_FORCE)


@pytest.mark.parametrize(
    ("server", "refusal"),
    [
        (openai_server(), "messages: at least one is required"),
        (openai_server(), NO_FORCE),
        (anthropic_server(), "messages: at least one is required"),
        (anthropic_server(), NO_FORM),
        (anthropic_server(), NO_LIMIT),
    ],
)
def test_a_refusal_of_something_else_takes_no_step(server: Negotiation, refusal: str) -> None:
    """A part that the protocol has not cannot be what was refused."""
    assert not server.moves_on(server.dialect, refusal)
    assert server.dialect == Dialect()
