"""Chat completions on the wire, against the shapes of the API reference."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.modelserver import openai
from tests.modelserver.answers import WRONG, right
from tests.modelserver.behaviour import Behaviour, Limits, Rate
from tests.modelserver.ledger import Call
from tests.modelserver.protocol import Reply
from tests.modelserver.questions import NAME, OPENAI, SCHEMA, chat, incoming
from tests.modelserver.service import Plan, Service

WALL = datetime(2026, 1, 1, tzinfo=UTC)
PATH = "/v1/chat/completions"


def took(service: Service, body: Any, now: float = 0) -> Plan:
    """Return the plan for a question."""
    asked = incoming(PATH, json.dumps(body).encode(), OPENAI)
    return service.take(asked, Call(now, PATH), now, WALL)


def reply(body: Any, **behaviour: Any) -> Reply:
    """Return the answer of a server that has just started."""
    return took(Service(Behaviour(**behaviour), 0), body).reply


def error(body: Any, **behaviour: Any) -> tuple[int, str, str | None, str | None]:
    """Status, type, param and code, where the body is an error and nothing else."""
    answer = reply(body, **behaviour)
    assert answer.body.keys() == {"error"}
    told = answer.body["error"]
    assert told.keys() == {"message", "type", "param", "code"}
    assert told["message"]
    return answer.status, told["type"], told["param"], told["code"]


def test_a_completion_has_the_documented_fields() -> None:
    """It has one choice, whose refusal is null."""
    answer = reply(chat())

    assert answer.status == 200
    assert answer.body.keys() == {
        *("id", "object", "created", "model", "choices", "usage", "system_fingerprint")
    }
    assert answer.body["object"] == "chat.completion"
    (choice,) = answer.body["choices"]
    assert choice.keys() == {"index", "message", "logprobs", "finish_reason"}
    assert choice["finish_reason"] == "stop"
    assert choice["message"].keys() == {"role", "content", "refusal"}
    assert choice["message"]["refusal"] is None
    assert json.loads(choice["message"]["content"])["providers"] == ["cert-manager"]
    usage = answer.body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0


def test_a_template_without_a_system_role_refuses_one() -> None:
    """And takes the same words from the user."""
    asked = chat()
    user = [message | {"role": "user"} for message in asked["messages"]]

    refused = (400, "invalid_request_error", "messages", None)
    assert error(asked, system_role=False) == refused
    assert reply(asked | {"messages": user}, system_role=False).status == 200


def schema(inner: Any, *, strict: bool = True) -> Any:
    """Return a response_format."""
    told = {"name": "analysis", "strict": strict, "schema": inner}
    return {"type": "json_schema", "json_schema": told}


def test_response_formats_are_taken_or_refused() -> None:
    """What the server knows decides, and the rules of strict mode."""
    refused = (400, "invalid_request_error", "response_format", None)
    assert reply(chat(response_format=schema(SCHEMA))).status == 200
    assert reply(chat(response_format={"type": "json_object"})).status == 200
    assert reply(chat(response_format={"type": "text"}), response_formats=()).status == 200
    only_objects = {"response_formats": ("json_object",)}
    assert error(chat(response_format=schema(SCHEMA)), **only_objects) == refused
    for format_ in (schema(SCHEMA), {"type": "json_object"}):
        assert error(chat(response_format=format_), response_formats=()) == refused
    optional = SCHEMA | {"required": []}
    assert error(chat(response_format=schema(optional))) == refused
    assert error(chat(response_format=schema(SCHEMA | {"additionalProperties": True}))) == refused
    assert reply(chat(response_format=schema(optional, strict=False))).status == 200


def test_json_objects_must_be_asked_for_in_words() -> None:
    """The API's own guard against endless whitespace."""
    body = chat(response_format={"type": "json_object"})
    body["messages"] = body["messages"][1:]

    assert error(body) == (400, "invalid_request_error", "messages", None)


def test_errors_have_their_documented_types_and_codes() -> None:
    """Each error that a client tells apart has its own."""
    invalid = "invalid_request_error"
    assert error(chat(), keys=("x",)) == (401, invalid, None, "invalid_api_key")
    unknown = chat() | {"model": "gpt-0"}
    assert error(unknown) == (404, invalid, None, "model_not_found")
    long = (400, invalid, "messages", "context_length_exceeded")
    assert error(chat(), prompt_bytes_max=20) == long
    assert error(chat(), faults=({"kind": "too_long"},)) == long
    quota = (429, "insufficient_quota", None, "insufficient_quota")
    assert error(chat(), faults=({"kind": "no_quota"},)) == quota
    assert error(chat(), failing=1) == (500, "server_error", None, None)
    assert error(chat(), overloaded=1) == (503, "server_error", None, None)
    assert error(chat(), in_flight_max=0) == (503, "server_error", None, None)
    unsupported = (400, invalid, "max_tokens", "unsupported_parameter")
    assert error(chat(), unsupported=("max_tokens",)) == unsupported
    assert error([1]) == (400, invalid, None, None)
    assert error({}) == (400, invalid, "model", "missing_parameter")


def test_a_rate_limit_says_when_to_come_back() -> None:
    """In seconds and in milliseconds; a request that will never fit says neither."""
    limits = Limits(requests=Rate(per_minute=600, burst=1), tokens=Rate(per_minute=2_000))
    service = Service(Behaviour(limits=limits), 0)
    took(service, chat())

    again = took(service, chat(), now=0.0125).reply
    assert (again.status, again.headers["retry-after"]) == (429, "2")
    assert 0 < int(again.headers["retry-after-ms"]) < 2_000
    assert again.body["error"]["type"] == "tokens"
    assert again.body["error"]["code"] == "rate_limit_exceeded"

    too_large = took(service, chat(max_tokens=2_000), now=60).reply
    assert too_large.status == 429
    assert "Request too large" in too_large.body["error"]["message"]
    assert "retry-after" not in too_large.headers


def told(headers: dict[str, str]) -> dict[str, str]:
    """The error is the rate limit's."""
    start = "x-ratelimit-"
    return {k.removeprefix(start): v for k, v in headers.items() if k.startswith(start)}


LIMITS = Limits(requests=Rate(per_minute=600), tokens=Rate(per_minute=60_000))


def test_the_headers_tell_how_the_account_stands() -> None:
    """All that may be generated is charged; resets are Go durations."""
    answer = reply(chat(), limits=LIMITS)

    prompt = answer.body["usage"]["prompt_tokens"]
    assert told(answer.headers) == {
        "limit-requests": "600",
        "remaining-requests": "599",
        "reset-requests": "100ms",
        "limit-tokens": "60000",
        "remaining-tokens": str(60_000 - 1000 - prompt),
        "reset-tokens": openai.go_duration((1000 + prompt) / 1000),
    }


def test_other_servers_tell_less_or_something_else() -> None:
    """Nothing, Azure's -1, and Groq's requests of a whole day."""
    assert told(reply(chat(), limits=LIMITS, openai_headers="none").headers) == {}
    azure = told(reply(chat(), limits=LIMITS, openai_headers="azure").headers)
    assert set(azure.values()) == {"-1"}
    groq = told(reply(chat(), limits=LIMITS, openai_headers="groq").headers)
    assert groq["limit-requests"] == "14400"
    assert groq["remaining-requests"] == "14399"
    assert groq["reset-requests"] == "6s"
    assert groq["limit-tokens"] == "60000"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.012, "12ms"), (1, "1s"), (7.66, "7.66s"), (360, "6m0s"), (3600.5, "1h0m0.5s")],
)
def test_go_durations(seconds: float, text: str) -> None:
    """They are as Go prints them."""
    assert openai.go_duration(seconds) == text


def test_what_stops_an_answer_is_told() -> None:
    """A refusal has its own field; length and filter are finish reasons."""

    def choice(body: Any, kind: str = "") -> Any:
        faults = ({"kind": kind},) if kind else ()
        return reply(body, faults=faults).body["choices"][0]

    refused = choice(chat(), "refusal")
    assert (refused["message"]["content"], refused["finish_reason"]) == (None, "stop")
    assert refused["message"]["refusal"]
    assert choice(chat(), "content_filter")["finish_reason"] == "content_filter"
    assert choice(chat(), "max_tokens")["finish_reason"] == "length"
    cut = choice(chat(max_tokens=5))
    assert (cut["finish_reason"], len(cut["message"]["content"])) == ("length", 20)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_the_content_as_it_stands(wrong: str) -> None:
    """To the letter, and the body around it stays JSON."""
    answer = reply(chat(max_tokens=30_000), faults=({"kind": "wrong", "wrong": wrong},))

    body = json.loads(json.dumps(answer.body))
    content = body["choices"][0]["message"]["content"]
    assert content == WRONG[wrong](right(NAME, "Certificate"))


def test_a_long_system_prompt_is_cached_in_steps() -> None:
    """Without asking, in steps of 128 tokens, and charged all the same."""
    service = Service(Behaviour(), 0)
    body = chat()
    body["messages"][0]["content"] = "JSON" * 1100
    service.done(took(service, body), 0)

    again = took(service, body, now=1).reply.body["usage"]

    assert again["prompt_tokens_details"]["cached_tokens"] == 1024
    assert again["prompt_tokens"] > 1100


def test_models_are_listed_and_told() -> None:
    """There is a list, and each model by its id."""
    listed = openai.models(["a", "b"])

    assert listed == {"object": "list", "data": [openai.model("a"), openai.model("b")]}
    assert openai.model("a").keys() == {"id", "object", "created", "owned_by"}


def test_bounds_of_a_schema_may_be_refused() -> None:
    """The refusal names the keyword."""
    bounded = SCHEMA | {"properties": {"confidence": {"type": "array", "maxItems": 3}}}
    answer = reply(chat(response_format=schema(bounded)), schema_bounds=False)

    assert answer.status == 400
    assert "'maxItems' is not permitted" in answer.body["error"]["message"]
    assert reply(chat(response_format=schema(SCHEMA)), schema_bounds=False).status == 200
