"""What holds for every API, whatever the provider says."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from capscan.core.answer.reading import read_answer
from capscan.core.errors import InferenceError, ProviderUnusable
from capscan.inference.api import anthropic, openai
from capscan.inference.api.apis import open_api
from capscan.inference.api.http import HttpReply
from capscan.inference.api.protocol import ModelApi
from capscan.inference.api.refusal import Refusals
from capscan.model import Analysis
from capscan.model.provider import ApiProtocol
from tests.inference.api.wire import KEY, PROMPT, Wire, read_limits, reply, spec
from tests.inference.spent import spent

every_api = pytest.mark.parametrize("protocol", [p.value for p in ApiProtocol])


@every_api
@pytest.mark.anyio
async def test_each_protocol_has_its_api(protocol: str) -> None:
    """The API sends one request for one prompt, and names its errors."""
    wire = Wire([reply(429, retry_after="7")])
    api = open_api(spec(protocol), SecretStr(KEY), read_limits, wire.transport)
    with pytest.raises(InferenceError) as raised:
        await api.send(PROMPT, max_output_tokens=10)
    await api.aclose()

    assert (raised.value.reason, raised.value.retry_after_s) == ("RateLimited", 7.0)
    assert len(wire.requests) == 1


@every_api
@pytest.mark.parametrize("key", ["", " \n", "two words", "line\nbreak", "schlüssel"])
def test_a_malformed_key_is_not_sent(protocol: str, key: str) -> None:
    """It is not shown either."""
    with pytest.raises(ProviderUnusable) as raised:
        open_api(spec(protocol), SecretStr(key), read_limits)

    assert raised.value.reason == "InvalidCredentials"
    assert not key.strip() or key not in str(raised.value)


@every_api
@pytest.mark.parametrize(
    "wrong", [{"baseURL": "ftp://x"}, {"proxyURL": "socks5://x"}, {"caBundle": "x"}]
)
def test_an_impossible_spec_is_refused(protocol: str, wrong: dict[str, str]) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(ProviderUnusable) as raised:
        open_api(spec(protocol, **wrong), None, read_limits)

    assert raised.value.reason == "InvalidProvider"
    assert f"spec.{next(iter(wrong))}" in str(raised.value)


@every_api
@pytest.mark.anyio
@pytest.mark.parametrize("field", ["error", "content", "choices"])
@pytest.mark.parametrize("status", [200, 400])
async def test_endless_nesting_is_an_inference_error(
    protocol: str, field: str, status: int
) -> None:
    """This holds within the depth that JSON's parser takes, and beyond."""
    for depth in (*range(800, 1000, 7), 100_000):
        wire = Wire([reply(status, f'{{"{field}": ' + "[" * depth + "]" * depth + "}")])
        api = open_api(spec(protocol), None, read_limits, wire.transport)
        with pytest.raises(InferenceError) as raised:
            await _read(api)
        assert len(raised.value.message) < 400


async def _read(api: ModelApi) -> Analysis:
    return read_answer((await api.send(PROMPT, max_output_tokens=10)).answer)


WORDS = st.sampled_from(
    ["error", "message", "content", "choices", "usage", "type", "text", "input", "tool_use", "code",
     "stop_reason", "refusal", "finish_reason", "detail", "param", "prompt_tokens", "length"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 999) | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(WORDS, VALUES, max_size=5))
def test_any_object_is_a_reply_or_an_error(body: dict[str, Any]) -> None:
    """Readers stumble over nothing that JSON can hold."""
    for read in (anthropic.read_message, openai.read_completion):
        try:
            found = read(body)
        except InferenceError as error:
            cost = spent(error)
        else:
            cost = found.usage
        assert cost.requests == 1


@settings(max_examples=300, deadline=None)
@given(st.integers(200, 599), VALUES.map(json.dumps).map(str.encode) | st.binary())
def test_any_response_is_an_answer_or_an_error(status: int, body: bytes) -> None:
    """Its message is short, whatever the response says."""
    refusals = Refusals("https://models.example.com/v1", "model-1", KEY)
    error = refusals.of(HttpReply(status, {}, body))

    assert error is not None or status < 300
    assert len(str(error)) < 400
