"""OpenAIApi: what goes over the wire, to OpenAI and to servers that know less."""

import logging
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import SecretStr

from capscan.core.answer.prompt import answer_schema
from capscan.core.errors import AnswerRefused, CapscanError, InvalidAnswer, ProviderUnusable
from capscan.inference.api.openai import Dialect, Form, OpenAIApi
from capscan.inference.api.protocol import Renegotiated, Reply
from capscan.model import Usage
from tests.inference.api.wire import KEY, PROMPT, Wire, read_limits, reply, spec
from tests.inference.spent import spent

pytestmark = pytest.mark.anyio

USAGE = {
    "prompt_tokens": 900,
    "completion_tokens": 60,
    "total_tokens": 960,
    "prompt_tokens_details": {"cached_tokens": 800},
}
MESSAGES = [
    {"role": "system", "content": PROMPT.system},
    {"role": "user", "content": PROMPT.messages[0].text},
]
STRICT = {
    "type": "json_schema",
    "json_schema": {"name": "analysis", "strict": True, "schema": answer_schema()},
}


def completion(content: Any = "{}", finish: str = "stop", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": content} | message
    return {"choices": [{"index": 0, "message": said, "finish_reason": finish}], "usage": USAGE}


def api(wire: Wire, **options: Any) -> OpenAIApi:
    return OpenAIApi.open(spec(**options), SecretStr(KEY), read_limits, wire.transport)


async def raised(status: int, body: Any, **headers: str) -> CapscanError:
    with pytest.raises(CapscanError) as found:
        await api(Wire([reply(status, body, **headers)])).send(PROMPT, max_output_tokens=10)
    return found.value


def error(text: str, code: Any = None, param: str | None = None, kind: str = "") -> dict[str, Any]:
    return {"error": {"message": text, "type": kind, "param": param, "code": code}}


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


async def test_a_server_without_key_gets_none() -> None:
    """And the older name for the limit: Ollama and many others."""
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
    """With what it cost."""
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
async def test_other_answers_are_handed_on(body: Any, answer: str, truncated: bool) -> None:
    """Reading them is not done here."""
    found = await api(Wire([reply(body=body)])).send(PROMPT, max_output_tokens=10)

    assert (found.answer, found.truncated) == (answer, truncated)


@pytest.mark.parametrize(
    "body", [completion(None, refusal="I cannot"), completion("", "content_filter")]
)
async def test_refusals_are_told_with_their_cost(body: Any) -> None:
    """The model's, and the filter's."""
    found = await raised(200, body)

    assert isinstance(found, AnswerRefused)
    assert spent(found).input_tokens == 900


@pytest.mark.parametrize(
    "body", [{}, {"choices": []}, {"choices": [{}]}, {"choices": {"0": 1}}, [1], "no JSON", ""]
)
async def test_a_reply_that_is_no_completion_is_an_invalid_answer(body: Any) -> None:
    """It may be another the next time."""
    found = await raised(200, body)

    assert isinstance(found, InvalidAnswer)
    assert spent(found).requests == 1


REFUSED_FORMS = [
    error("'response_format' of type 'json_schema' is not supported with this model.",
          param="response_format"),
    error("This model does not support response format `json_schema`.", kind="invalid_request"),
    {"error": "'response_format.type' must be 'json_schema' or 'text'"},
    {"message": "Structured output is not available", "object": "error"},
    error("Unsupported value", param="response_format"),
]  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSED_FORMS)
async def test_a_refused_form_is_not_asked_for_again(refusal: Any) -> None:
    """Schema, then any object, then text; each request one error, until there is an answer."""
    wire = Wire([reply(400, refusal), reply(400, refusal), reply(body=completion())])
    client = api(wire)
    for _ in range(2):
        with pytest.raises(Renegotiated):
            await client.send(PROMPT, max_output_tokens=10)
    await client.send(PROMPT, max_output_tokens=10)
    await client.send(PROMPT, max_output_tokens=10)

    forms = [body.get("response_format", {}).get("type") for body in wire.bodies]
    assert forms == ["json_schema", "json_object", None, None]


@pytest.mark.parametrize(
    ("base_url", "names"),
    [
        ("https://models.example.com/v1", ["max_tokens", "max_completion_tokens"]),
        ("", ["max_completion_tokens", "max_tokens"]),
    ],
)
async def test_a_refused_limit_goes_by_its_other_name(base_url: str, names: list[str]) -> None:
    """From then on."""
    text = f"Unsupported parameter: '{names[0]}' is not supported with this model."
    wire = Wire([reply(400, error(text, param=names[0])), reply(body=completion())])
    client = api(wire, baseURL=base_url)
    with pytest.raises(Renegotiated):
        await client.send(PROMPT, max_output_tokens=10)
    await client.send(PROMPT, max_output_tokens=10)

    assert [name for body in wire.bodies for name in body if name in names] == names


async def test_requests_refused_together_take_one_step() -> None:
    """Ten in flight do not use up all forms at once."""
    client = api(Wire([reply(400, REFUSED_FORMS[0])]))

    async def ask() -> None:
        with pytest.raises(Renegotiated):
            await client.send(PROMPT, max_output_tokens=10)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(ask)

    assert client.dialect == Dialect(form=Form.OBJECT)


async def test_a_late_refusal_takes_no_step_back() -> None:
    """Of a request that was sent before others found out more."""
    client = api(Wire([reply(400, REFUSED_FORMS[0])]))

    async def ask() -> None:
        with pytest.raises(Renegotiated):
            await client.send(PROMPT, max_output_tokens=10)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.lowlevel.checkpoint()
        client.dialect = Dialect(form=Form.TEXT)

    assert client.dialect == Dialect(form=Form.TEXT)


async def test_text_is_the_last_resort() -> None:
    """Then the refusal stands."""
    wire = Wire([reply(400, REFUSED_FORMS[0])])
    client = api(wire)
    client.dialect = Dialect(form=Form.TEXT)
    with pytest.raises(CapscanError) as found:
        await client.send(PROMPT, max_output_tokens=10)

    assert type(found.value).__name__ == "RequestRejected"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, error("bad", "invalid_value"), "RequestRejected"),
        (422, {"detail": [{"loc": ["body", "model"], "msg": "bad"}]}, "RequestRejected"),
        (400, error("This model's maximum context length is 8192 tokens",
                    "context_length_exceeded"), "ContextTooLong"),
        (400, error("the request exceeds the available context size"), "ContextTooLong"),
        (400, error("The response was filtered", "content_filter"), "AnswerRefused"),
        (400, error("Failed to generate JSON", "json_validate_failed"), "InvalidAnswer"),
        (400, [error("API key not valid. Please pass a valid API key.")], "InvalidCredentials"),
        (400, error("model-1 is not a valid model ID"), "ModelNotFound"),
        (401, error("Incorrect API key provided", "invalid_api_key"), "InvalidCredentials"),
        (402, error("Insufficient Balance"), "InsufficientQuota"),
        (403, error("Project does not have access", "model_not_found"), "ModelNotFound"),
        (403, error("Country not supported"), "InvalidCredentials"),
        (404, error("The model `model-1` does not exist", "model_not_found"), "ModelNotFound"),
        (404, error('model "model-1" not found, try pulling it first'), "ModelNotFound"),
        (404, {"message": "The model `m` does not exist.", "code": 404}, "ModelNotFound"),
        (404, error("The API deployment does not exist", "DeploymentNotFound"), "ModelNotFound"),
        (404, {"detail": "Not Found"}, "InvalidProvider"),
        (404, "404 page not found", "InvalidProvider"),
        (405, "", "InvalidProvider"),
        (400, "<html>The plain HTTP request was sent to HTTPS port</html>", "InvalidProvider"),
        (200, "<!DOCTYPE html><title>Sign in</title>", "InvalidProvider"),
        (301, "", "InvalidProvider"),
        (408, "", "Timeout"),
        (429, error("Rate limit reached", "rate_limit_exceeded"), "RateLimited"),
        (429, error("You exceeded your current quota", "insufficient_quota"), "InsufficientQuota"),
        (429, error("Request too large for m on tokens per min (TPM): Limit 10, Requested 20"),
         "ContextTooLong"),
        (500, error("model not found in cache"), "ProviderFailed"),
        (502, "<html>Bad gateway</html>", "ProviderUnavailable"),
        (503, error("loading"), "ProviderOverloaded"),
        (200, error("Upstream is busy", 429), "RateLimited"),
        (200, {"error": "boom"}, "ProviderFailed"),
        (418, "", "RequestRejected"),
    ],
)  # fmt: skip
async def test_errors_are_told_apart(status: int, body: Any, reason: str) -> None:
    """By status, and by their words where the status says too little."""
    assert getattr(await raised(status, body), "reason", "?") == reason


async def test_an_address_that_leads_astray_says_so() -> None:
    """With the usual mistake."""
    wire = Wire([reply(200, "Please sign in", content_type="text/html")])
    with pytest.raises(ProviderUnusable) as page:
        await api(wire, baseURL="https://models.example.com").send(PROMPT, max_output_tokens=10)
    moved = await raised(301, "", location="https://login.example.com/?token=x")

    assert "a web page (200); is spec.baseURL right, and should it end in /v1?" in str(page.value)
    assert "redirects to https://login.example.com, which" in str(moved)
    assert str(moved).endswith("is spec.baseURL right?")
    assert "token" not in str(moved)
    assert "redirects, which" in str(await raised(301, "", location="http://[x"))


async def test_what_the_provider_says_is_quoted_safely() -> None:
    """Short, on one line, without the key or terminal sequences."""
    found = await raised(400, error(f"\x1b[31mkey {KEY}\nis\u202e bad " + "x " * 5000))

    assert str(found).startswith("the provider answered 400: key *** is bad x x")
    assert len(str(found)) < 300


@pytest.mark.parametrize(
    ("script", "reason", "asked"),
    [
        pytest.param([reply(body={"id": "model-1"})], "", 1, id="card"),
        pytest.param([reply(401, error("Incorrect API key"))], "InvalidCredentials", 1, id="key"),
        pytest.param([reply(401, error("Missing scopes: api.model.read"))], "", 1, id="scopes"),
        pytest.param([reply(403, error("no"))], "", 1, id="forbidden"),
        pytest.param([reply(404), reply(body={"data": [{"id": "other"}]})], "ModelNotFound", 2,
                     id="not listed"),
        pytest.param([reply(404), reply(body={"data": [{"id": "model-1"}]})], "", 2, id="listed"),
        pytest.param([reply(404), reply(body={"data": []})], "", 2, id="empty list"),
        pytest.param([reply(404), reply(404)], "", 2, id="no list"),
        pytest.param([reply(404), reply(body="odd")], "", 2, id="odd list"),
        pytest.param([reply(200, "<html>")], "InvalidProvider", 1, id="web page"),
        pytest.param([reply(307)], "InvalidProvider", 1, id="redirect"),
        pytest.param([reply(503)], "ProviderOverloaded", 1, id="away"),
        pytest.param([reply(429)], "", 1, id="limited"),
    ],
)  # fmt: skip
async def test_the_check_raises_what_is_sure(script: list[Any], reason: str, asked: int) -> None:
    """And lets pass what it cannot know: the first question will tell."""
    wire = Wire(list(script))
    found = ""
    try:
        await api(wire).check()
    except CapscanError as error:
        found = getattr(error, "reason", "?")

    assert found == reason
    assert wire.asked == ["GET /v1/models/model-1", "GET /v1/models"][:asked]


async def test_an_unknown_model_is_told_with_those_there_are() -> None:
    """Often it is a typing error."""
    wire = Wire([reply(404), reply(body={"data": [{"id": f"llama{n}"} for n in range(9)] + [1]})])
    with pytest.raises(ProviderUnusable, match=r"no model 'model-1'; it has llama0, .*llama4$"):
        await api(wire).check()


async def test_a_key_in_the_clear_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    """Not refused: there are networks where it is meant so."""
    caplog.set_level(logging.WARNING)
    for base_url in ("http://models.example.com/v1", "http://ollama.ai.svc/v1"):
        api(Wire([reply()]), baseURL=base_url)
    OpenAIApi.open(spec(baseURL="http://models.example.com/v1"), None, read_limits)

    assert [r.getMessage() for r in caplog.records] == [
        "The API key goes to http://models.example.com/v1 unencrypted; use https://."
    ]
