"""Where servers put an answer, what is read from there, and that nothing else comes of a reply."""

import json
import random
from typing import Any

import pytest

from capscan.core.answer.reading import read_answer
from capscan.core.errors import CapscanError, InferenceError, InvalidAnswer
from capscan.inference.api import anthropic, openai
from capscan.inference.api.protocol import Renegotiated, Reply
from capscan.inference.api.refusal import Refusals
from capscan.model import Analysis
from tests.inference.api.openai_wire import api, completion
from tests.inference.api.wire import ANSWER, KEY, PROMPT, Wire, reply
from tests.inference.spent import spent

pytestmark = pytest.mark.anyio

TOLD = json.dumps(ANSWER)
READ = Analysis.model_validate(ANSWER)
DRAFT = ANSWER | {"description": "A draft."}


def chosen(**choice: Any) -> dict[str, Any]:
    body = completion(None)
    body["choices"][0] |= choice
    return body


def called(*arguments: Any) -> list[Any]:
    return [{"type": "function", "function": {"name": "x", "arguments": a}} for a in arguments]


def read(found: Reply) -> Analysis:
    return read_answer(found.answer, thoughts=found.thoughts, whole=found.doubtful)


@pytest.mark.parametrize(
    "body",
    [
        completion(TOLD),
        completion([{"type": "thinking", "thinking": [{"type": "text", "text": json.dumps(DRAFT)}]},
                    {"type": "text", "text": TOLD}]),
        completion(None, reasoning_content=TOLD),
        completion("", reasoning=TOLD),
        completion(" \n", thinking=f"Well: {TOLD}"),
        completion(None, reasoning_details=[{"type": "reasoning.text", "text": TOLD}]),
        completion("See above.", reasoning=TOLD),
        completion(TOLD, reasoning=json.dumps(DRAFT)),
        completion(None, "tool_calls", tool_calls=called(TOLD)),
        completion(None, "tool_calls", tool_calls=called(ANSWER)),
        completion(None, "tool_calls", tool_calls=called("{}", TOLD)),
        completion(json.dumps(DRAFT), "tool_calls", tool_calls=called(TOLD)),
        completion(TOLD, "tool_calls", tool_calls=called('{"query": "x"}')),
        completion(None, "function_call", function_call={"name": "x", "arguments": TOLD}),
        completion(None, parsed=ANSWER),
        completion(TOLD, "a new reason"),
        chosen(finish_reason=None, message={"content": TOLD}),
        chosen(error=None, message={"content": TOLD}),
    ],
)  # fmt: skip
def test_a_completion_is_read_wherever_the_answer_is(body: Any) -> None:
    assert read(openai.read_completion(body)) == READ


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "tool_use", "name": "record_analysis", "input": ANSWER}],
        [{"type": "tool_use", "name": "record_analysis", "input": {}},
         {"type": "tool_use", "name": "record_analysis", "input": ANSWER}],
        [{"type": "tool_use", "name": "record_analysis", "input": ANSWER},
         {"type": "tool_use", "name": "web_search", "input": {"query": "x"}}],
        [{"type": "tool_use", "name": "web_search", "input": {"query": "x"}},
         {"type": "text", "text": TOLD}],
        [{"type": "tool_use", "name": "record_analysis", "input": {}},
         {"type": "text", "text": TOLD}],
        [{"type": "thinking", "thinking": json.dumps(DRAFT)}, {"type": "text", "text": TOLD}],
        [{"type": "thinking", "thinking": TOLD}],
        TOLD,
    ],
)  # fmt: skip
def test_a_message_is_read_wherever_the_answer_is(content: Any) -> None:
    message = {"type": "message", "content": content, "stop_reason": "end_turn"}

    assert read(anthropic.read_message(message)) == READ


def test_thoughts_that_ran_out_of_room_are_not_read() -> None:
    """They hold a draft at best; the reply asks for more room."""
    found = openai.read_completion(completion(None, "length", reasoning=TOLD))

    assert (found.answer, found.thoughts, found.truncated) == ("", "", True)


def test_half_an_answer_with_an_ending_that_nobody_knows_is_none() -> None:
    with pytest.raises(InvalidAnswer):
        read(openai.read_completion(completion(TOLD[:-1], "tired")))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": 502, "message": "Provider returned error"}, "ProviderUnavailable"),
        ({"code": "503", "message": "busy"}, "ProviderOverloaded"),
        ({"code": 429, "message": "slow down"}, "RateLimited"),
        ({"message": "it broke"}, "ProviderFailed"),
        ("it broke", "ProviderFailed"),
    ],
)
@pytest.mark.parametrize("finish", ["error", "stop", None])
async def test_a_choice_that_ended_in_error_is_that_error(
    error: Any, reason: str, finish: str | None
) -> None:
    """Though half an answer stands beside it. The error says what it cost, and not the key."""
    if isinstance(error, dict):
        error = error | {"message": f"{error['message']} {KEY}"}
    body = chosen(error=error, finish_reason=finish, message={"content": TOLD[:-9]})
    with pytest.raises(InferenceError) as raised:
        await api(Wire([reply(body=body)])).send(PROMPT, max_output_tokens=10)

    assert raised.value.reason == reason
    assert spent(raised.value).input_tokens == 900
    assert KEY not in str(raised.value)


def test_tokens_are_counted_where_servers_tell_them() -> None:
    """Some count by the choice, and some have another name for what came from the cache."""
    by_choice = chosen(message={"content": TOLD}, usage={"prompt_tokens": 7})
    del by_choice["usage"]
    cached = completion(TOLD) | {"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 5}}

    assert openai.read_completion(by_choice).usage.input_tokens == 7
    assert openai.read_completion(cached).usage.cached_input_tokens == 5


async def test_an_answer_that_could_not_be_finished_is_one_that_was_cut_off() -> None:
    """OpenAI tells it as a refusal."""
    text = "Could not finish the message because max_tokens or model output limit was reached."
    client = api(Wire([reply(400, {"error": {"message": text}})]))
    found = await client.send(PROMPT, max_output_tokens=10)

    assert (found.answer, found.truncated, found.usage.requests) == ("", True, 1)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "System role not supported", "code": 400}}),
        (500, {"error": {"message": "Jinja Exception: roles must alternate {% if system %}"}}),
        (404, {"error": {"message": "No endpoints found that take the requested parameters."}}),
        (
            422,
            {"detail": [{"loc": ["body", "max_tokens"], "msg": "Extra inputs are not permitted"}]},
        ),
        (422, "Failed to deserialize: response_format.type `json_schema` is unavailable now"),
        (200, {"error": {"message": "response_format is not supported", "code": 400}}),
        (400, {"message": "m" * 900 + " json_schema"}),
    ],
)
async def test_a_part_that_is_refused_is_left_out_under_any_status(status: int, body: Any) -> None:
    """The request goes again at once, and as it was understood from then on."""
    client = api(wire := Wire([reply(status, body), reply(body=completion(TOLD))]))
    with pytest.raises(Renegotiated):
        await client.send(PROMPT, max_output_tokens=10)
    for _ in range(2):
        await client.send(PROMPT, max_output_tokens=10)

    assert wire.bodies[0] != wire.bodies[1] == wire.bodies[2]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "tools, system role, json_schema: not supported"),
        (429, "system role not supported"),
        (503, "response_format not supported"),
        (402, "response_format not supported"),
    ],
)
async def test_other_statuses_are_about_something_else(status: int, text: str) -> None:
    client = api(wire := Wire([reply(status, {"error": {"message": text}})]))
    for _ in range(2):
        with pytest.raises(CapscanError) as raised:
            await client.send(PROMPT, max_output_tokens=10)
        assert not isinstance(raised.value, Renegotiated)

    assert wire.bodies[0] == wire.bodies[1]


NAMES = (
    "error", "message", "content", "choices", "usage", "type", "text", "input", "tool_use", "code",
    "stop_reason", "refusal", "finish_reason", "function", "arguments", "tool_calls", "reasoning",
    "thinking", "name", "properties", "capabilities", "providers", "abstractions", "complexity",
    "description", "useCase", "confidence", "value", "length", "stop", "low", "metadata", "raw",
)  # fmt: skip
SCRAPS: tuple[Any, ...] = (
    None, True, 0, -1, 1e300, float("nan"), "", " ", "{", TOLD, TOLD[:40], "<think>", "</think>",
    '{"a": [', "[1, 2]", "\\ud800", "x" * 200, [], {}, "```json\n{", "<parameter=x>", 429, "502",
    "error", "length", "low", ["a"], "record_analysis", '"' + "\\" * 9,
)  # fmt: skip


def malformed(luck: random.Random, depth: int = 0) -> Any:
    kind = luck.random()
    if depth > 4 or kind < 0.3:
        return luck.choice(SCRAPS) if luck.random() < 0.7 else luck.choice(NAMES)
    if kind < 0.5:
        return [malformed(luck, depth + 1) for _ in range(luck.randrange(3))]
    return {luck.choice(NAMES): malformed(luck, depth + 1) for _ in range(luck.randrange(5))}


def test_ten_thousand_malformed_bodies_are_replies_or_inference_errors() -> None:
    """No body makes anything else of itself, neither in the envelope nor in the answer."""
    luck = random.Random(13)
    refusals = Refusals("https://models.example.com/v1", "model-1", KEY)
    replies, longest = 0, 0
    for _ in range(10_000):
        content, told = malformed(luck), luck.choice([TOLD, TOLD[:-1], json.dumps(malformed(luck))])
        message = {"content": luck.choice([content, told]), luck.choice(NAMES): malformed(luck)}
        choice = {"message": message, "finish_reason": luck.choice(SCRAPS), "error": None}
        choice[luck.choice(NAMES)] = malformed(luck)
        for take, body in (
            (openai.read_completion, {"choices": luck.choice([[choice], content])}),
            (anthropic.read_message, {"content": content, "stop_reason": luck.choice(SCRAPS)}),
        ):
            try:
                found = take(body)
                replies += 1
                read(found)
            except InferenceError as error:
                longest = max(longest, len(error.message))
                refusals.in_place_of_an_answer(getattr(error, "error", None))
    assert replies > 5_000
    assert longest < 400
