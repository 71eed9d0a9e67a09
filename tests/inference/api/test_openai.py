"""OpenAIApi: what goes over the wire, to OpenAI and to servers that know less."""

from typing import Any

import pytest

from capscan.core.errors import AnswerRefused, InvalidAnswer
from capscan.inference.api.openai import OpenAIApi
from capscan.inference.api.protocol import Reply
from capscan.model import Usage
from tests.inference.api.openai_wire import MESSAGES, STRICT, api, completion, raised
from tests.inference.api.wire import KEY, PROMPT, Wire, read_limits, reply, spec
from tests.inference.spent import spent

pytestmark = pytest.mark.anyio


async def test_the_request_is_as_documented() -> None:
    """OpenAI's own models take the newer name for the limit, and a strict schema."""
    wire = Wire([reply(body=completion())])
    await api(wire, baseURL="").send(PROMPT, max_output_tokens=77)

    assert str(wire.requests[0].url) == "https://api.openai.com/v1/chat/completions"
    assert wire.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert wire.bodies == [
        {
            "model": "model-1",
            "messages": MESSAGES,
            "max_completion_tokens": 77,
            "response_format": STRICT,
        }
    ]


async def test_a_provider_without_a_key_is_sent_none() -> None:
    """Ollama and many others take none, and the older name for the limit."""
    wire = Wire([reply(body=completion())])
    keyless = OpenAIApi.open(
        spec(baseURL="http://ollama.ai.svc:11434/v1"), None, read_limits, wire.transport
    )
    await keyless.send(PROMPT, max_output_tokens=77)

    assert "authorization" not in wire.requests[0].headers
    assert str(wire.requests[0].url) == "http://ollama.ai.svc:11434/v1/chat/completions"
    assert wire.bodies == [
        {"model": "model-1", "messages": MESSAGES, "max_tokens": 77, "response_format": STRICT}
    ]


async def test_the_first_choice_is_the_answer() -> None:
    """The reply says what it cost."""
    found = await api(Wire([reply(body=completion('{"a": 1}'))])).send(PROMPT, max_output_tokens=10)

    assert found == Reply(
        answer='{"a": 1}',
        usage=Usage(requests=1, input_tokens=900, cached_input_tokens=800, output_tokens=60),
    )


@pytest.mark.parametrize(
    ("body", "answer", "truncated"),
    [
        pytest.param(completion("{", "length"), "{", True, id="cut off"),
        pytest.param(completion(None, "length", reasoning="..."), "", True, id="only thoughts"),
        pytest.param(completion([{"type": "text", "text": "a"}, {"text": "b"}, 1]), "ab", False,
                     id="parts"),
        pytest.param(completion({"a": 1}), "", False, id="odd"),
    ],
)  # fmt: skip
async def test_unusual_answers_are_handed_on_unread(
    body: Any, answer: str, truncated: bool
) -> None:
    """The API does not read what a model wrote."""
    found = await api(Wire([reply(body=body)])).send(PROMPT, max_output_tokens=10)

    assert (found.answer, found.truncated) == (answer, truncated)


@pytest.mark.parametrize(
    "body", [completion(None, refusal="I cannot"), completion("", "content_filter")]
)
async def test_refusals_are_told_with_their_cost(body: Any) -> None:
    """The model may decline, and so may the filter."""
    found = await raised(200, body)

    assert isinstance(found, AnswerRefused)
    assert spent(found).input_tokens == 900


@pytest.mark.parametrize(
    "body", [{}, {"choices": []}, {"choices": [{}]}, {"choices": {"0": 1}}, [1], "no JSON", ""]
)
async def test_a_reply_that_is_no_completion_is_an_invalid_answer(body: Any) -> None:
    """The next reply may be a completion."""
    found = await raised(200, body)

    assert isinstance(found, InvalidAnswer)
    assert spent(found).requests == 1
