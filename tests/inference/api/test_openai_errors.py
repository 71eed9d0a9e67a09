"""OpenAIApi: what an error of the provider is called, and what its free check finds."""

import logging
from typing import Any

import pytest

from capscan.core.errors import CapscanError, ProviderUnusable
from capscan.inference.api.address import warning_about
from capscan.inference.api.openai import OpenAIApi
from tests.inference.api.openai_wire import api, error, raised
from tests.inference.api.wire import KEY, PROMPT, Wire, read_limits, reply, spec

pytestmark = pytest.mark.anyio


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


async def test_the_error_for_a_wrong_address_asks_whether_it_is_right() -> None:
    """It names the usual mistake."""
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
    """The quote is short, on one line, and without the key or terminal sequences."""
    found = await raised(400, error(f"\x1b[31mkey {KEY}\nis\u202e bad " + "x " * 5000))

    assert str(found).startswith("the provider answered 400: key *** is bad x x")
    assert len(str(found)) < 300


ADMIN_ONLY = error("Only proxy admin can be used to call this route")
CARD_AND_LIST = ["GET /v1/models/model-1", "GET /v1/models"]


@pytest.mark.parametrize(
    ("script", "reason", "asked"),
    [
        pytest.param([reply(body={"id": "model-1"})], "", 1, id="card"),
        pytest.param([reply(401, error("Incorrect API key"))], "InvalidCredentials", 2, id="key"),
        pytest.param([reply(401, error("no")), reply(body={"data": []})], "", 2, id="list alone"),
        pytest.param([reply(401, error("no")), reply(429)], "InvalidCredentials", 2,
                     id="no other look"),
        pytest.param([reply(401, error("Missing scopes: api.model.read"))], "", 1, id="scopes"),
        pytest.param([reply(401, {"error": "You have insufficient permissions."})], "", 1,
                     id="permissions"),
        pytest.param([reply(401, ADMIN_ONLY)], "", 1, id="admin"),
        pytest.param([reply(403, error("no"))], "", 1, id="forbidden"),
        pytest.param([reply(404), reply(body={"data": [{"id": "other"}]})], "", 2,
                     id="not listed"),
        pytest.param([reply(404, error("The model does not exist", "model_not_found")),
                      reply(body={"data": [{"id": "other"}]})], "", 2, id="no card, not listed"),
        pytest.param([reply(404), reply(body={"data": [{"id": "model-1"}]})], "", 2, id="listed"),
        pytest.param([reply(404), reply(body={"data": []})], "", 2, id="empty list"),
        pytest.param([reply(404), reply(404)], "", 2, id="no list"),
        pytest.param([reply(404), reply(body="odd")], "", 2, id="odd list"),
        pytest.param([reply(404), reply(body={"data": None})], "", 2, id="no data"),
        pytest.param([reply(200, "<html>")], "InvalidProvider", 2, id="web page"),
        pytest.param([reply(200, "<html>"), reply(body={"data": []})], "", 2, id="page of a UI"),
        pytest.param([reply(307)], "InvalidProvider", 2, id="redirect"),
        pytest.param([reply(503)], "ProviderOverloaded", 1, id="away"),
        pytest.param([reply(521, "<html>")], "ProviderUnavailable", 1, id="away, a page"),
        pytest.param([reply(501)], "", 1, id="not known"),
        pytest.param([reply(429)], "", 1, id="limited"),
        pytest.param([reply(429, "<html>429 Too Many Requests</html>")], "", 1, id="limited, page"),
    ],
)  # fmt: skip
async def test_the_free_check_raises_only_what_is_certain(
    script: list[Any], reason: str, asked: int
) -> None:
    """And lets pass what it cannot know: a list is a hint, and the first question will tell."""
    wire = Wire(list(script))
    found = ""
    try:
        await api(wire).check()
    except CapscanError as error:
        found = getattr(error, "reason", "?")

    assert found == reason
    assert wire.asked == CARD_AND_LIST[:asked]


async def test_the_error_for_an_unknown_model_lists_models_that_exist() -> None:
    """Often the name has a typing error. Only a question proves that there is no such model."""
    listed = reply(body={"data": [{"id": f"llama{n}"} for n in range(9)] + [1]})
    unknown = reply(404, error("The model `model-1` does not exist", "model_not_found"))
    client = api(Wire([reply(404), listed, unknown]))
    await client.check()
    with pytest.raises(ProviderUnusable) as found:
        await client.send(PROMPT, max_output_tokens=10)

    assert found.value.reason == "ModelNotFound"
    assert str(found.value) == (
        "the provider has no model 'model-1' for this account: The model `model-1` does not exist; "
        "it lists llama0, llama1, llama2, llama3, llama4"
    )


async def test_a_key_that_goes_out_unencrypted_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It is not refused: there are networks where this is meant so."""
    caplog.set_level(logging.WARNING)
    for base_url in ("http://models.example.com/v1", "http://ollama.ai.svc/v1"):
        api(Wire([reply()]), baseURL=base_url, apiKeySecretRef={"name": "own"})
    OpenAIApi.open(spec(baseURL="http://models.example.com/v1"), None, read_limits)

    assert [r.getMessage() for r in caplog.records] == [
        warning_about(spec(baseURL="http://models.example.com/v1", apiKeySecretRef={"name": "own"}))
    ]
