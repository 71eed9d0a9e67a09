"""AnthropicApi: what goes over the wire, and what comes back."""

from typing import Any

import pytest
from pydantic import SecretStr

from capscan.core.answer.prompt import answer_schema, repair_prompt
from capscan.core.errors import (
    AnswerRefused,
    CapscanError,
    InvalidAnswer,
    ProviderOverloaded,
    ProviderUnusable,
)
from capscan.inference.api.anthropic import AnthropicApi
from capscan.inference.api.protocol import Renegotiated, Reply
from capscan.model import Usage
from capscan.model.completion import ObservedLimit, ObservedLimits
from tests.inference.api.wire import ANSWER, KEY, PROMPT, Wire, read_limits, reply, spec
from tests.inference.spent import spent

pytestmark = pytest.mark.anyio

USAGE = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 3000,
    "output_tokens": 50,
}
TOOL_USE = {"type": "tool_use", "id": "t1", "name": "record_analysis", "input": ANSWER}


def message(*content: Any, stop: str = "tool_use", usage: Any = USAGE) -> dict[str, Any]:
    return {"type": "message", "content": list(content), "stop_reason": stop, "usage": usage}


def api(wire: Wire, **options: Any) -> AnthropicApi:
    return AnthropicApi.open(
        spec("Anthropic", **options), SecretStr(f"{KEY}\n"), read_limits, wire.transport
    )


async def sent(*content: Any, **options: Any) -> Reply:
    wire = Wire([reply(body=message(*content, **options))])
    return await api(wire).send(PROMPT, max_output_tokens=10)


async def raised(status: int, body: Any, **headers: str) -> CapscanError:
    with pytest.raises(CapscanError) as found:
        await api(Wire([reply(status, body, **headers)])).send(PROMPT, max_output_tokens=10)
    return found.value


async def test_the_request_is_as_documented() -> None:
    """A forced tool; the part that never changes is marked for the cache."""
    wire = Wire([reply(body=message(TOOL_USE))])
    await api(wire, baseURL="").send(repair_prompt(PROMPT, "x", "bad"), max_output_tokens=77)

    request = wire.requests[0]
    assert str(request.url) == "https://api.anthropic.com/v1/messages"
    assert request.headers["x-api-key"] == KEY
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in request.headers
    assert wire.bodies == [
        {
            "model": "model-1",
            "max_tokens": 77,
            "tools": [
                {
                    "name": "record_analysis",
                    "description": "Record what the CustomResourceDefinition is for.",
                    "input_schema": answer_schema(),
                }
            ],
            "tool_choice": {"type": "tool", "name": "record_analysis"},
            "system": [
                {"type": "text", "text": PROMPT.system, "cache_control": {"type": "ephemeral"}}
            ],
            "messages": [
                {"role": "user", "content": PROMPT.messages[0].text},
                {"role": "assistant", "content": "x"},
                {
                    "role": "user",
                    "content": repair_prompt(PROMPT, "x", "bad").messages[2].text,
                },
            ],
        }
    ]


async def test_the_version_stands_in_the_path_once() -> None:
    """It does not matter whether baseURL ends in /v1."""
    for base_url in ("https://gateway.example.com", "https://gateway.example.com/v1/"):
        wire = Wire([reply(body=message(TOOL_USE))])
        await api(wire, baseURL=base_url).send(PROMPT, max_output_tokens=10)
        assert wire.asked == ["POST /v1/messages"]


async def test_the_tools_input_is_the_answer() -> None:
    """Usage counts the whole prompt: Anthropic leaves out what the cache had."""
    wire = Wire([reply(body=message({"type": "text", "text": "Hm."}, TOOL_USE), x_remaining="7")])

    assert await api(wire).send(PROMPT, max_output_tokens=10) == Reply(
        answer=ANSWER,
        usage=Usage(requests=1, input_tokens=3120, cached_input_tokens=3000, output_tokens=50),
        observed=ObservedLimits(requests=ObservedLimit(remaining=7)),
        truncated=False,
    )


@pytest.mark.parametrize(
    ("content", "stop", "answer", "truncated"),
    [
        pytest.param([{"type": "text", "text": "{}"}], "end_turn", "{}", False, id="text instead"),
        pytest.param([TOOL_USE | {"input": {}}], "max_tokens", "", True, id="cut off"),
        pytest.param([TOOL_USE], "model_context_window_exceeded", ANSWER, True, id="no room"),
        pytest.param([], "end_turn", "", False, id="nothing"),
        pytest.param([1, TOOL_USE | {"input": "{}"}], "tool_use", "{}", False, id="a string"),
        pytest.param([TOOL_USE | {"input": [{"a": 1}]}], "tool_use", {"a": 1}, False, id="list"),
        pytest.param([TOOL_USE | {"input": []}], "tool_use", "", False, id="empty list"),
        pytest.param([{"type": "tool_use"}], "tool_use", "", False, id="no input"),
    ],
)
async def test_unusual_answers_are_handed_on_unread(
    content: list[Any], stop: str, answer: Any, truncated: bool
) -> None:
    """The API does not read what a model wrote."""
    found = await sent(*content, stop=stop)

    assert (found.answer, found.truncated) == (answer, truncated)


async def test_a_refusal_is_told_with_its_cost() -> None:
    """Asking again would cost the same again."""
    with pytest.raises(AnswerRefused) as refused:
        await sent(stop="refusal")

    assert spent(refused.value).input_tokens == 3120


@pytest.mark.parametrize("usage", [None, {}, [], {"input_tokens": "many"}, {"output_tokens": -1}])
async def test_unreadable_usage_still_counts_the_request(usage: Any) -> None:
    """Some gateways leave usage out."""
    assert (await sent(TOOL_USE, usage=usage)).usage == Usage(requests=1)


def error(kind: str, text: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": text}}


@pytest.mark.parametrize(
    ("status", "kind", "text", "reason"),
    [
        (400, "invalid_request_error", "max_tokens: too many", "RequestRejected"),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API",
         "InsufficientQuota"),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum",
         "ContextTooLong"),
        (400, "invalid_request_error", "Output blocked by content filtering policy",
         "AnswerRefused"),
        (401, "authentication_error", "invalid x-api-key", "InvalidCredentials"),
        (403, "permission_error", "not allowed", "InvalidCredentials"),
        (404, "not_found_error", "model: model-1", "ModelNotFound"),
        (413, "request_too_large", "Request exceeds the maximum size", "ContextTooLong"),
        (429, "rate_limit_error", "slow down", "RateLimited"),
        (500, "api_error", "Internal server error", "ProviderFailed"),
        (502, "", "", "ProviderUnavailable"),
        (503, "", "", "ProviderOverloaded"),
        (504, "timeout_error", "", "ProviderUnavailable"),
        (529, "overloaded_error", "Overloaded", "ProviderOverloaded"),
    ],
)  # fmt: skip
async def test_errors_are_told_apart(status: int, kind: str, text: str, reason: str) -> None:
    """By status, and by their words where the status says too little."""
    found = await raised(status, error(kind, text))

    assert getattr(found, "reason", "") == reason
    assert text in str(found)


async def test_a_model_that_cannot_be_forced_gets_the_choice() -> None:
    """It gets it from then on; its text is read as well as a tool's input."""
    no = error("invalid_request_error", "tool_choice: this model does not support forced tool use")
    text = {"type": "text", "text": "{}"}
    client = api(wire := Wire([reply(400, no), reply(body=message(text))]))
    with pytest.raises(Renegotiated) as refused:
        await client.send(PROMPT, max_output_tokens=10)
    found = await client.send(PROMPT, max_output_tokens=10)

    assert refused.value.usage == Usage(requests=1)
    assert found.answer == "{}"
    assert [body["tool_choice"] for body in wire.bodies] == [
        {"type": "tool", "name": "record_analysis"},
        {"type": "auto"},
    ]


async def test_errors_carry_what_the_response_said_of_limits() -> None:
    """The limiter learns from them most of all."""
    found = await raised(529, error("overloaded_error", "x"), x_remaining="0", retry_after="3")

    assert isinstance(found, ProviderOverloaded)
    assert found.retry_after_s == 3.0
    assert found.observed == ObservedLimits(requests=ObservedLimit(remaining=0))
    assert found.usage == Usage(requests=1)


async def test_a_reply_that_is_no_message_is_an_invalid_answer() -> None:
    """The next reply may be a message."""
    assert isinstance(await raised(200, "not JSON"), InvalidAnswer)
    assert isinstance(await raised(200, [1]), InvalidAnswer)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, {"id": "model-1"}, ""),
        (401, error("authentication_error", "invalid x-api-key"), "InvalidCredentials"),
        (403, error("permission_error", "no"), ""),
        (404, error("not_found_error", "model: model-1"), ""),
        (404, {"detail": "Not Found"}, ""),
        (404, "<html>no</html>", ""),
        (429, error("rate_limit_error", "slow down"), ""),
        (200, "<!DOCTYPE html><html>", "InvalidProvider"),
        (302, "", "InvalidProvider"),
        (503, error("", "away"), "ProviderOverloaded"),
    ],
)
async def test_the_free_check_raises_only_what_is_certain(
    status: int, body: Any, reason: str
) -> None:
    """And lets pass what it cannot know: the first question will tell."""
    wire = Wire([reply(status, body)])
    found: list[str] = []
    try:
        await api(wire, model="claude/x").check()
    except CapscanError as error:
        found.append(getattr(error, "reason", "?"))

    assert found == ([reason] if reason else [])
    assert wire.asked[0] == "GET /v1/models/claude%2Fx"
    assert wire.asked[1:] in ([], ["GET /v1/models"])


async def test_a_key_is_optional_and_never_shown() -> None:
    """A broken key is not shown either."""
    wire = Wire([reply(401, error("authentication_error", f"wrong key {KEY}"))])
    with pytest.raises(ProviderUnusable) as refused:
        await api(wire).send(PROMPT, max_output_tokens=10)
    with pytest.raises(ProviderUnusable) as broken:
        AnthropicApi.open(spec(), SecretStr("two words"), read_limits)

    assert "wrong key ***" in str(refused.value)
    assert "two" not in str(broken.value)
    assert KEY not in repr(api(wire))
    keyless = AnthropicApi.open(spec(), None, read_limits, wire.transport)
    with pytest.raises(ProviderUnusable):
        await keyless.check()
    assert "x-api-key" not in wire.requests[-1].headers
