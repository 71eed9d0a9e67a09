"""Anthropic's Messages API, version 2023-06-01, as its API reference and its error page tell it.

Pure: requests in, bodies and headers out.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta

from tests.modelserver.behaviour import Behaviour
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
    parsed,
    phrase,
)
from tests.modelserver.schemas import anthropic_fault, bound_in

NAME = "anthropic"
OVERLOADED = 529

_REQUIRED = ("model", "max_tokens", "messages")
_KNOWN = {*_REQUIRED, "system", "tools", "tool_choice", "output_config", "temperature", "top_p"}
_KNOWN |= {"top_k", "stop_sequences", "stream", "metadata", "thinking", "service_tier"}
_BETA_FORMAT = "structured-outputs-2025-11-13"

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_MESSAGES = {401: "invalid x-api-key", 500: "Internal server error", 529: "Overloaded"}
_MESSAGES[413] = "Request exceeds the maximum size"
_LIMITS = {
    "requests": "requests",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
}


def key(headers: Mapping[str, str]) -> str:
    """Return the API key, or nothing."""
    return headers.get("x-api-key", "")


def read(body: Json, headers: Mapping[str, str], behaviour: Behaviour) -> Ask:
    """Return the question. Raises Refused where the API would not take it for one."""
    if "anthropic-version" not in headers:
        raise _invalid("anthropic-version: header is required")
    for field in _REQUIRED:
        if field not in body:
            raise _invalid(f"{field}: Field required")
    beta = _BETA_FORMAT in headers.get("anthropic-beta", "")
    for field in body.keys() - _KNOWN - ({"output_format"} if beta else set()):
        raise _invalid(f"{field}: Extra inputs are not permitted")
    _check_format(body)
    _check_dialect(body, behaviour)
    system, text = body.get("system", ""), _messages(body)
    name, kind = find_crd(text)
    return Ask(
        model=str(body["model"]),
        name=name,
        kind=kind,
        prompt_bytes=len((block_text(system) + text).encode()),
        prefix=_prefix(system),
        max_tokens=int(body["max_tokens"]),
        tool=_forced_tool(body),
    )


def _messages(body: Json) -> str:
    if not body["messages"]:
        raise _invalid("messages: at least one message is required")
    for message in body["messages"]:
        if message.get("role") not in {"user", "assistant"}:
            raise _invalid('messages: Unexpected role. Allowed roles are "user" or "assistant"')
    return "\n".join(block_text(message.get("content")) for message in body["messages"])


def _check_dialect(body: Json, behaviour: Behaviour) -> None:
    """Refuse what servers that are only like Anthropic's do not know."""
    system = body.get("system")
    marked = isinstance(system, list) and any("cache_control" in block for block in system)
    if marked and not behaviour.cache_marks:
        raise _invalid("system.0.cache_control: Extra inputs are not permitted")
    if system and not behaviour.system_role:
        raise _invalid("System role not supported")
    choice = body.get("tool_choice", {}).get("type", "auto")
    if body.get("tools") and choice not in behaviour.tool_choices:
        raise _invalid(
            f"tool_choice: {choice} is not supported"
            if choice != "auto"
            else "this model does not support tools"
        )
    bound = [word for tool in body.get("tools", []) if (word := bound_in(tool["input_schema"]))]
    if bound and not behaviour.schema_bounds:
        raise _invalid(f"tools.0.custom.input_schema: '{bound[0]}' is not supported")


def _check_format(body: Json) -> None:
    wanted = body.get("output_config", {}).get("format") or body.get("output_format")
    if wanted and (fault := anthropic_fault(wanted.get("schema", {}))):
        raise _invalid(f"output_config.format.schema: {fault}")


def _forced_tool(body: Json) -> str:
    choice = body.get("tool_choice", {})
    names = [tool.get("name", "") for tool in body.get("tools", [])]
    if choice.get("type") == "any" and names:
        return str(names[0])
    if choice.get("type") != "tool":
        return ""
    if choice.get("name") not in names:
        raise _invalid(f"tool_choice: Tool '{choice.get('name')}' not found in provided tools")
    return str(choice["name"])


def _prefix(system: object) -> str:
    """Return the system blocks up to the last one that is marked for the cache."""
    blocks = system if isinstance(system, list) else []
    marked = [i for i, block in enumerate(blocks) if "cache_control" in block]
    return block_text(blocks[: marked[-1] + 1]) if marked else ""


def charges(ask: Ask, usage: Usage) -> dict[str, int]:  # noqa: ARG001
    """Return what is charged: reading from the cache is free, and max_tokens plays no part."""
    input_tokens = usage.uncached + usage.cache_created
    return {"requests": 1, "input_tokens": input_tokens, "output_tokens": usage.output}


def completion(serial: int, ask: Ask, said: Said, usage: Usage) -> Json:
    """A message. A forced tool gets what is JSON as its input; what is not comes as text."""
    content: list[Json] = [{"type": "text", "text": said.text}] if said.text else []
    stop = {"end": "end_turn", "length": "max_tokens"}.get(said.stop, "refusal")
    if ask.tool and stop in {"end_turn", "max_tokens"}:
        given = {} if stop == "max_tokens" else parsed(said.text)
        if given is not None:
            tool = {"type": "tool_use", "id": f"toolu_{serial:06}", "name": ask.tool}
            content = [tool | {"input": given}]
            stop = "tool_use" if stop == "end_turn" else stop
    return {
        "id": f"msg_{serial:06}",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": usage.uncached,
            "cache_creation_input_tokens": usage.cache_created,
            "cache_read_input_tokens": usage.cache_read,
            "output_tokens": usage.output,
            "service_tier": "standard",
        },
    }


def models(ids: Sequence[str]) -> Json:
    """Return what GET /v1/models answers, in one page."""
    listed = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return {"data": [model(each) for each in ids], "has_more": False, **listed}


def model(id: str) -> Json:  # noqa: A002
    """Return what GET /v1/models/{id} answers."""
    created = "2025-10-01T00:00:00Z"
    return {"type": "model", "id": id, "display_name": id, "created_at": created}


def limit_headers(standing: Standing) -> Headers:
    """Tokens are rounded to thousands, resets down to seconds, as the API does."""
    told: Headers = {}
    of_tokens: list[tuple[int, int, float]] = []
    for limit in _LIMITS:
        if not (bucket := standing.buckets.get(limit)):
            continue
        size, left = int(bucket.limit), bucket.remaining(standing.now)
        full_in_s = bucket.full_in_s(standing.now)
        if limit == "requests":
            told |= _triple(limit, (size, int(left), full_in_s), standing)
            continue
        of_tokens.append((size, min(size, round(left / 1000) * 1000), full_in_s))
        told |= _triple(limit.replace("_", "-"), of_tokens[-1], standing)
    if of_tokens:
        sizes, remaining, full_in_s_each = zip(*of_tokens, strict=True)
        both = (sum(sizes), sum(remaining), max(full_in_s_each))
        told |= _triple("tokens", both, standing)
    return told


def _triple(name: str, values: tuple[int, int, float], standing: Standing) -> Headers:
    limit, remaining, full_in_s = values
    reset = standing.wall.astimezone(UTC) + timedelta(seconds=full_in_s)
    return {
        f"anthropic-ratelimit-{name}-limit": str(limit),
        f"anthropic-ratelimit-{name}-remaining": str(max(0, remaining)),
        f"anthropic-ratelimit-{name}-reset": reset.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def id_headers(serial: int) -> Headers:
    """Return the headers that are for the provider's support."""
    return {"request-id": f"req_{serial:06}"}


def error(status: int, message: str = "") -> Reply:
    """Return the error of that status."""
    other = "api_error" if status >= 500 else "invalid_request_error"
    told = message or _MESSAGES.get(status) or phrase(status)
    of_type = {"type": _TYPES.get(status, other), "message": told}
    return Reply(status, {"type": "error", "error": of_type})


def unknown_model(model: str) -> Reply:
    """Return the error for a model that does not exist, or not for this key."""
    return error(404, f"model: {model}")


def too_long(tokens: int, tokens_max: int) -> Reply:
    """Return the error for a prompt that does not fit the context."""
    return error(400, f"prompt is too long: {tokens} tokens > {tokens_max} maximum")


def rate_limited(limit: str, wait_s: float) -> Reply:
    """retry-after in whole seconds, unless it will never do."""
    message = f"This request would exceed your account's rate limit of {_LIMITS[limit]} per minute."
    reply = error(429, message)
    if math.isfinite(wait_s):
        reply.headers["retry-after"] = str(math.ceil(wait_s))
    return reply


def no_quota() -> Reply:
    """Return the error for an account that has run dry: this API calls it an invalid request."""
    return error(400, "Your credit balance is too low to access the Anthropic API.")


def filtered() -> Reply:
    """Return the error for an answer that the content filter stopped."""
    return error(400, "Output blocked by content filtering policy")


def _invalid(message: str) -> Refused:
    return Refused(error(400, message))
