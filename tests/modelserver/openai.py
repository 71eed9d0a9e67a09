"""OpenAI's chat completions, as its API reference and its rate limit guide tell them, and where
compatible servers differ: other headers, fewer response formats.

Pure: requests in, bodies and headers out.
"""

import math
from collections.abc import Mapping, Sequence

from tests.modelserver.behaviour import Behaviour
from tests.modelserver.buckets import Bucket
from tests.modelserver.protocol import (
    Ask,
    Headers,
    Json,
    Refused,
    Reply,
    Said,
    Standing,
    Usage,
    block_text,
    find_crd,
    phrase,
)
from tests.modelserver.schemas import bound_in, openai_strict_fault

NAME = "openai"
OVERLOADED = 503

_CACHE_STEP_TOKENS = 128
_GROQ_REQUESTS_PER_DAY = 14_400
_DAY_S = 86_400

_CODES = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", None),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", None),
}
_MESSAGES = {
    401: "Incorrect API key provided.",
    500: "The server had an error while processing your request. Sorry about that!",
    503: "The engine is currently overloaded, please try again later.",
}


def key(headers: Mapping[str, str]) -> str:
    """Return the bearer's token, or the key in Azure's header, or nothing."""
    return headers.get("authorization", "").removeprefix("Bearer ") or headers.get("api-key", "")


def read(body: Json, headers: Mapping[str, str], behaviour: Behaviour) -> Ask:  # noqa: ARG001
    """Return the question. Raises Refused where the API would not take it for one."""
    for field in ("model", "messages"):
        if not body.get(field):
            raise _invalid(f"Missing required parameter: '{field}'.", field, "missing_parameter")
    for field in behaviour.unsupported:
        if field in body:
            message = f"Unsupported parameter: '{field}' is not supported with this model."
            raise _invalid(message, field, "unsupported_parameter")
    messages = body["messages"]
    ruling = {"system", "developer"}
    if not behaviour.system_role and any(m.get("role") in ruling for m in messages):
        raise _invalid("System role not supported", "messages", None)
    system = "".join(block_text(m.get("content")) for m in messages if m.get("role") in ruling)
    asked = [block_text(m.get("content")) for m in messages if m.get("role") not in ruling]
    text = "\n".join(asked)
    _check_format(body.get("response_format") or {}, behaviour, system + text)
    name, kind = find_crd(text)
    max_tokens = body.get("max_completion_tokens", body.get("max_tokens"))
    prompt_bytes = len((system + text).encode())
    return Ask(str(body["model"]), name, kind, prompt_bytes, system, max_tokens)


def _check_format(wanted: Json, behaviour: Behaviour, prompt: str) -> None:
    kind = wanted.get("type", "text")
    if kind != "text" and kind not in behaviour.response_formats:
        message = (
            f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this"
            " model."
        )
        raise _invalid(message, "response_format", None)
    if kind == "json_object" and "json" not in prompt.lower():
        message = (
            "'messages' must contain the word 'json' in some form, to use 'response_format' of"
            " type 'json_object'."
        )
        raise _invalid(message, "messages", None)
    schema = wanted.get("json_schema", {})
    if not behaviour.schema_bounds and (word := bound_in(schema.get("schema", {}))):
        message = (
            f"Invalid schema for response_format '{schema.get('name')}': '{word}' is not permitted."
        )
        raise _invalid(message, "response_format", None)
    if schema.get("strict") and (fault := openai_strict_fault(schema.get("schema", {}))):
        message = f"Invalid schema for response_format '{schema.get('name')}': {fault}"
        raise _invalid(message, "response_format", None)


def charges(ask: Ask, usage: Usage) -> dict[str, int]:
    """All that could be generated is charged, cached or not, and never given back."""
    output = usage.output if ask.max_tokens is None else ask.max_tokens
    return {"requests": 1, "tokens": usage.input + output}


def completion(serial: int, ask: Ask, said: Said, usage: Usage) -> Json:
    """Return a chat completion with one choice."""
    finish = {"length": "length", "filter": "content_filter"}.get(said.stop, "stop")
    refused = said.stop == "refusal"
    message = {
        "role": "assistant",
        "content": None if refused else said.text,
        "refusal": said.text if refused else None,
    }
    cached = usage.cache_read - usage.cache_read % _CACHE_STEP_TOKENS
    return {
        "id": f"chatcmpl-{serial:06}",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": ask.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "system_fingerprint": None,
    }


def models(ids: Sequence[str]) -> Json:
    """Return what GET /v1/models answers."""
    return {"object": "list", "data": [model(each) for each in ids]}


def model(id: str) -> Json:  # noqa: A002
    """Return what GET /v1/models/{id} answers."""
    return {"id": id, "object": "model", "created": 1_760_000_000, "owned_by": "system"}


def limit_headers(standing: Standing) -> Headers:
    """Return the headers as OpenAI sends them, or a provider that is like it."""
    style = standing.behaviour.openai_headers
    if style == "none":
        return {}
    told: Headers = {}
    for name in ("requests", "tokens"):
        if style == "azure":
            told |= dict.fromkeys(
                (f"x-ratelimit-limit-{name}", f"x-ratelimit-remaining-{name}"), "-1"
            )
        elif style == "groq" and name == "requests":
            told |= _of_the_day(standing.requests_admitted)
        elif bucket := standing.buckets.get(name):
            told |= _of_the_minute(name, bucket, standing.now)
    return told


def _of_the_minute(name: str, bucket: Bucket, now: float) -> Headers:
    return {
        f"x-ratelimit-limit-{name}": str(int(bucket.limit)),
        f"x-ratelimit-remaining-{name}": str(max(0, int(bucket.remaining(now)))),
        f"x-ratelimit-reset-{name}": go_duration(bucket.full_in_s(now)),
    }


def _of_the_day(requests: int) -> Headers:
    """Groq counts requests by the day, and refills them smoothly."""
    return {
        "x-ratelimit-limit-requests": str(_GROQ_REQUESTS_PER_DAY),
        "x-ratelimit-remaining-requests": str(max(0, _GROQ_REQUESTS_PER_DAY - requests)),
        "x-ratelimit-reset-requests": go_duration(requests * _DAY_S / _GROQ_REQUESTS_PER_DAY),
    }


def go_duration(seconds: float) -> str:
    """As Go's time.Duration prints itself, at a millisecond: 0s, 12ms, 7.66s, 6m0s, 1h0m0.5s."""
    ms = math.ceil(seconds * 1000 - 1e-6)
    if ms < 1000:
        return f"{ms}ms" if ms > 0 else "0s"
    minutes, rest_ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    lead = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{lead}{rest_ms / 1000:g}s"


def id_headers(serial: int) -> Headers:
    """Return the headers that are for the provider's support, and how long it took."""
    return {"x-request-id": f"req_{serial:06}", "openai-version": "2020-10-01"}


def error(status: int, message: str = "") -> Reply:
    """Return the error of that status."""
    other = "server_error" if status >= 500 else "invalid_request_error"
    kind, code = _CODES.get(status, (other, None))
    told = message or _MESSAGES.get(status) or phrase(status)
    return _error(status, told, kind, None, code)


def unknown_model(model: str) -> Reply:
    """Return the error for a model that does not exist, or not for this key."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return _error(404, message, "invalid_request_error", None, "model_not_found")


def too_long(tokens: int, tokens_max: int) -> Reply:
    """Return the error for a prompt that does not fit the context."""
    message = (
        f"This model's maximum context length is {tokens_max} tokens. However, your messages"
        f" resulted in {tokens} tokens. Please reduce the length of the messages."
    )
    return _error(400, message, "invalid_request_error", "messages", "context_length_exceeded")


def rate_limited(limit: str, wait_s: float) -> Reply:
    """With both headers, in whole seconds and in milliseconds, unless it will never do."""
    if math.isinf(wait_s):
        message = f"Request too large on {limit} per min. The input or output must be reduced."
        return _error(429, message, limit, None, "rate_limit_exceeded")
    again = go_duration(wait_s)
    message = f"Rate limit reached on {limit} per min. Please try again in {again}."
    reply = _error(429, message, limit, None, "rate_limit_exceeded")
    reply.headers["retry-after"] = str(math.ceil(wait_s))
    reply.headers["retry-after-ms"] = str(math.ceil(wait_s * 1000))
    return reply


def no_quota() -> Reply:
    """Return a 429 against which no waiting helps."""
    message = "You exceeded your current quota, please check your plan and billing details."
    return _error(429, message, "insufficient_quota", None, "insufficient_quota")


def filtered() -> None:
    """Return nothing: a filtered answer is an answer here, with its own finish_reason."""


def _error(status: int, message: str, kind: str, param: str | None, code: str | None) -> Reply:
    told = {"message": message, "type": kind, "param": param, "code": code}
    return Reply(status, {"error": told})


def _invalid(message: str, param: str, code: str | None) -> Refused:
    return Refused(_error(400, message, "invalid_request_error", param, code))
