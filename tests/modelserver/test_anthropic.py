"""The Messages API on the wire, against the shapes of its API reference."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.modelserver import anthropic
from tests.modelserver.answers import WRONG
from tests.modelserver.behaviour import Behaviour, Limits, Rate
from tests.modelserver.ledger import Call
from tests.modelserver.protocol import Reply, Usage
from tests.modelserver.questions import ANTHROPIC, FORCED, NAME, SCHEMA, incoming, message
from tests.modelserver.service import Plan, Service

WALL = datetime(2026, 1, 1, 12, 0, 0, 900_000, tzinfo=UTC)


def took(
    service: Service, body: Any, headers: dict[str, str] | None = None, now: float = 0
) -> Plan:
    """Return the plan for a question."""
    asked = incoming("/v1/messages", json.dumps(body).encode(), headers or ANTHROPIC)
    return service.take(asked, Call(now, "/v1/messages"), now, WALL)


def reply(body: Any, headers: dict[str, str] | None = None, **behaviour: Any) -> Reply:
    """Return the answer of a server that has just started."""
    return took(Service(Behaviour(**behaviour), 0), body, headers).reply


def error(body: Any, headers: dict[str, str] | None = None, **behaviour: Any) -> tuple[int, str]:
    """Status and message, where the body is an error and nothing else."""
    answer = reply(body, headers, **behaviour)
    assert answer.body.keys() == {"type", "error"}
    assert answer.body["type"] == "error"
    assert answer.body["error"].keys() == {"type", "message"}
    return answer.status, f"{answer.body['error']['type']}: {answer.body['error']['message']}"


def test_a_message_has_the_documented_fields() -> None:
    """Without a forced tool the answer is text."""
    answer = reply(message())

    assert answer.status == 200
    assert answer.body.keys() == {
        *("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage")
    }
    assert answer.body["type"] == "message"
    assert answer.body["role"] == "assistant"
    assert answer.body["stop_reason"] == "end_turn"
    (block,) = answer.body["content"]
    assert block["type"] == "text"
    assert json.loads(block["text"])["capabilities"][0] == "Declare certificates"
    assert answer.headers["request-id"].startswith("req_")


def test_a_forced_tool_is_used() -> None:
    """The answer is the tool's input."""
    answer = reply(message(**FORCED))

    (block,) = answer.body["content"]
    assert block.keys() == {"type", "id", "name", "input"}
    assert (block["type"], block["name"]) == ("tool_use", "report")
    assert block["input"]["providers"] == ["cert-manager"]
    assert answer.body["stop_reason"] == "tool_use"


def test_a_token_is_four_bytes_of_system_and_messages() -> None:
    """Rounded up once, over all of it; what the answer takes is counted alike."""
    answer = reply(message(system="äää"))

    said = answer.body["content"][0]["text"]
    asked = message()["messages"][0]["content"][0]["text"]
    assert answer.body["usage"]["input_tokens"] == -(-(6 + len(asked)) // 4)
    assert answer.body["usage"]["output_tokens"] == -(-len(said.encode()) // 4)


def test_max_tokens_cuts_the_answer() -> None:
    """A forced tool then has an input that is not the answer."""
    answer = reply(message(max_tokens=10))
    assert answer.body["stop_reason"] == "max_tokens"
    assert len(answer.body["content"][0]["text"]) == 40

    forced = reply(message(max_tokens=10, **FORCED))
    assert forced.body["stop_reason"] == "max_tokens"
    assert forced.body["content"][0]["input"] == {}


def test_a_marked_prefix_is_read_from_the_cache_once_an_answer_is_out() -> None:
    """Created first, then read; forgotten when nobody has read it for five minutes."""
    service = Service(Behaviour(), 0)
    system = [{"type": "text", "text": "s" * 4400, "cache_control": {"type": "ephemeral"}}]

    def usage(now: float) -> tuple[int, int]:
        plan = took(service, message(system=[*system, {"type": "text", "text": "more"}]), now=now)
        service.done(plan, now)
        told = plan.reply.body["usage"]
        assert told["input_tokens"] < 30
        return told["cache_creation_input_tokens"], told["cache_read_input_tokens"]

    assert [usage(0), usage(1), usage(300), usage(601)] == [
        (1100, 0),
        (0, 1100),
        (0, 1100),
        (1100, 0),
    ]


def test_a_short_prefix_is_not_cached() -> None:
    """Prompts below the providers' own minimum are not."""
    system = [{"type": "text", "text": "short", "cache_control": {"type": "ephemeral"}}]

    assert reply(message(system=system)).body["usage"]["cache_creation_input_tokens"] == 0


def test_errors_have_their_documented_types() -> None:
    """Each status of the API reference has one."""
    unknown = message() | {"model": "claude-0"}
    assert error(unknown) == (404, "not_found_error: model: claude-0")
    assert error(message(), keys=("other",)) == (401, "authentication_error: invalid x-api-key")
    assert error(message(), body_bytes_max=10)[1].startswith("request_too_large: ")
    assert error(message(), failing=1) == (500, "api_error: Internal server error")
    assert error(message(), overloaded=1) == (529, "overloaded_error: Overloaded")
    assert error(message(), in_flight_max=0) == (529, "overloaded_error: Overloaded")
    assert error(message(), prompt_bytes_max=40)[1].startswith(
        "invalid_request_error: prompt is too long: "
    )
    for status, kind in ((402, "billing"), (403, "permission"), (504, "timeout")):
        fault = {"kind": "status", "status": status}
        assert error(message(), faults=(fault,))[1].startswith(f"{kind}_error: ")


@pytest.mark.parametrize("field", ["model", "max_tokens", "messages"])
def test_required_fields_are_required(field: str) -> None:
    """The error has the API's own words."""
    body = {name: value for name, value in message().items() if name != field}

    assert error(body) == (400, f"invalid_request_error: {field}: Field required")


def test_what_the_api_does_not_take_is_refused() -> None:
    """A client that is wrong here is wrong against the real one."""
    assert error(message(), {"x-api-key": "k"})[1].endswith("anthropic-version: header is required")
    assert error(message(response_format={}))[1].endswith("Extra inputs are not permitted")
    assert error(message(output_format={}))[1].endswith("Extra inputs are not permitted")
    assert error(message(tool_choice={"type": "tool", "name": "x"}))[1].endswith("provided tools")
    open_schema = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert "additionalProperties" in error(message(output_config=open_schema))[1]
    bounded = SCHEMA | {"properties": {"confidence": {"type": "number", "maximum": 1}}}
    limited = {"format": {"type": "json_schema", "schema": bounded}}
    assert "'maximum' is not supported" in error(message(output_config=limited))[1]
    allowed = {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert reply(message(output_config=allowed)).status == 200


LIMITS = Limits(
    requests=Rate(per_minute=60, burst=1),
    input_tokens=Rate(per_minute=80_000),
    output_tokens=Rate(per_minute=16_000),
)


def test_the_headers_tell_how_the_account_stands() -> None:
    """Tokens are told in thousands, resets as RFC 3339 times to the second."""
    headers = reply(message(system="x" * 24_000), limits=LIMITS).headers

    told = {name.removeprefix("anthropic-ratelimit-"): value for name, value in headers.items()}
    assert told["requests-limit"] == "60"
    assert told["requests-remaining"] == "0"
    assert told["requests-reset"] == "2026-01-01T12:00:01Z"
    assert (told["input-tokens-limit"], told["input-tokens-remaining"]) == ("80000", "74000")
    assert (told["output-tokens-limit"], told["output-tokens-remaining"]) == ("16000", "16000")
    assert (told["tokens-limit"], told["tokens-remaining"]) == ("96000", "90000")
    assert told["tokens-reset"] == told["input-tokens-reset"] == "2026-01-01T12:00:05Z"


def test_a_429_says_when_to_come_back() -> None:
    """It says so in whole seconds, with the headers of the account."""
    service = Service(Behaviour(limits=LIMITS), 0)
    took(service, message())

    again = took(service, message(), now=0.25).reply

    assert again.status == 429
    assert again.body["error"]["type"] == "rate_limit_error"
    assert again.headers["retry-after"] == "1"
    assert again.headers["anthropic-ratelimit-requests-remaining"] == "0"


def test_only_what_is_generated_counts_as_output() -> None:
    """max_tokens plays no part, nor what comes from the cache."""
    usage = Usage(uncached=10, cache_created=20, cache_read=1000, output=7)
    ask = anthropic.read(message(max_tokens=64_000), ANTHROPIC, Behaviour())

    charges = anthropic.charges(ask, usage)

    assert charges == {"requests": 1, "input_tokens": 30, "output_tokens": 7}


def test_refusals_are_told_in_the_apis_way() -> None:
    """A refusal is a stop reason; the filter's is an error; an empty account an invalid request."""
    refused = reply(message(**FORCED), faults=({"kind": "refusal"},)).body
    assert (refused["stop_reason"], refused["content"][0]["type"]) == ("refusal", "text")
    filtered = error(message(), faults=({"kind": "content_filter"},))
    assert filtered == (400, "invalid_request_error: Output blocked by content filtering policy")
    assert error(message(), faults=({"kind": "no_quota"},))[0] == 400


def test_a_forced_tool_gets_wrong_json_as_its_input() -> None:
    """What is no JSON at all comes as text."""

    def content(wrong: str) -> Any:
        fault = {"kind": "wrong", "wrong": wrong}
        return reply(message(**FORCED), faults=(fault,)).body["content"][0]

    assert content("nested")["input"]["analysis"]["providers"] == ["cert-manager"]
    assert content("empty_list")["input"] == []
    assert content("fenced")["type"] == "text"


@pytest.mark.parametrize("wrong", WRONG)
def test_a_message_stays_a_message_whatever_it_says(wrong: str) -> None:
    """A body that can be read, with a stop reason that fits what is in it."""
    fault = {"kind": "wrong", "wrong": wrong}
    answer = reply(message(max_tokens=30_000, **FORCED), faults=(fault,))

    body = json.loads(json.dumps(answer.body))
    kinds = [block["type"] for block in body["content"]]
    assert (kinds == ["tool_use"]) == (body["stop_reason"] == "tool_use")
    assert len(kinds) == (wrong != "empty")


def test_models_are_listed_and_told() -> None:
    """The list is one page, and each model has its own."""
    listed = anthropic.models(["a", "b"])

    assert listed.keys() == {"data", "has_more", "first_id", "last_id"}
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("a", "b", False)
    assert listed["data"][0].keys() == {"type", "id", "display_name", "created_at"}
    assert anthropic.model("a")["type"] == "model"


def test_the_name_is_found_where_the_digest_has_it() -> None:
    """The first such line of the messages, indented or not; a description may have another."""
    blocks = "Here it is:\n  name: a.b.c\n  kind: A\nname: other\n"
    ask = anthropic.read(
        message(messages=[{"role": "user", "content": blocks}]), ANTHROPIC, Behaviour()
    )

    assert (ask.name, ask.kind) == ("a.b.c", "A")
    assert anthropic.read(message(), ANTHROPIC, Behaviour()).name == NAME


def test_servers_that_are_only_like_it_know_less() -> None:
    """No cache marks, no system prompt, no forced tool, no tool, no bounds in its schema."""
    marked = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]
    offered = FORCED | {"tool_choice": {"type": "auto"}}
    bounded = {"name": "report", "input_schema": {"type": "array", "maxItems": 3}}
    for body, unknown, word in (
        (message(system=marked), {"cache_marks": False}, "cache_control"),
        (message(system="x"), {"system_role": False}, "System role not supported"),
        (message(**FORCED), {"tool_choices": ("auto",)}, "tool_choice: tool"),
        (message(**offered), {"tool_choices": ()}, "does not support tools"),
        (message(tools=[bounded]), {"schema_bounds": False}, "'maxItems'"),
    ):
        assert reply(body).status == 200
        status, told = error(body, **unknown)
        assert status == 400
        assert word in told
        assert reply(message(), **unknown).status == 200
