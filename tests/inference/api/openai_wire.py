"""An OpenAIApi over a scripted network, and what such a server says."""

from typing import Any

import pytest
from pydantic import SecretStr

from capscan.core.answer.prompt import answer_schema
from capscan.core.errors import CapscanError
from capscan.inference.api.openai import OpenAIApi
from tests.inference.api.wire import KEY, PROMPT, Wire, read_limits, reply, spec

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


REFUSED_FORMS = [
    error("'response_format' of type 'json_schema' is not supported with this model.",
          param="response_format"),
    error("This model does not support response format `json_schema`.", kind="invalid_request"),
    {"error": "'response_format.type' must be 'json_schema' or 'text'"},
    {"message": "Structured output is not available", "object": "error"},
    error("Unsupported value", param="response_format"),
]  # fmt: skip
"""Ways in which servers say that they do not know the form that was asked for."""
