"""OpenAI's chat completions, as OpenAI and the many servers after it speak them.

The servers differ in most parts of a request, such as how the answer's form is asked for, and in
where they put the answer. `steps.py` says what is tried after a refusal. Azure is reached
through its v1 API (https://NAME.openai.azure.com/openai/v1), which takes the key as others do.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx2
from pydantic import SecretStr

from capscan.core.answer.prompt import Prompt
from capscan.core.errors import AnswerRefused, InvalidAnswer
from capscan.inference.api.address import checked_base_url
from capscan.inference.api.dialect import Dialect, Form, Negotiation
from capscan.inference.api.endings import BrokenOff, ending
from capscan.inference.api.endpoint import Endpoint, key_in, listed_in, naming, open_endpoint
from capscan.inference.api.http import Json
from capscan.inference.api.local_servers import has_few_slots
from capscan.inference.api.parts import (
    best_of,
    in_dialect,
    reply_of,
    schema_in,
    text_in,
    thoughts_in,
)
from capscan.inference.api.protocol import ReadLimits, Reply
from capscan.inference.api.refusal import tokens
from capscan.inference.api.steps import OPENAI_STEPS, guessed_form
from capscan.model import Usage
from capscan.model.provider import ProviderSpec

BASE_URL = "https://api.openai.com/v1"

_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thoughts")
"""Where servers put what a model thought aloud."""


def request_body(model: str, prompt: Prompt, max_output_tokens: int, dialect: Dialect) -> Json:
    """Return the request; its fixed part comes first, where caches look for it."""
    turns = [{"role": m.role.value, "content": m.text} for m in in_dialect(prompt, dialect)]
    if dialect.has_system_role:
        turns.insert(0, {"role": "system", "content": prompt.system})
    body: Json = {"model": model, "messages": turns}
    if dialect.limit:
        body[dialect.limit] = max_output_tokens
    if dialect.form is Form.SCHEMA:
        schema: Json = {"name": "analysis", "strict": True, "schema": schema_in(dialect)}
        if "strict" in dialect.left_out:
            del schema["strict"]
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif dialect.form is Form.OBJECT:
        body["response_format"] = {"type": "json_object"}
    if not dialect.thinks:
        body["enable_thinking"] = False
    return body


def usage_of(counts: object) -> Usage:
    """Return what one request took, from the response's `usage`."""
    cached = tokens(counts, "prompt_tokens_details", "cached_tokens")
    return Usage(
        requests=1,
        input_tokens=tokens(counts, "prompt_tokens"),
        cached_input_tokens=cached or tokens(counts, "prompt_cache_hit_tokens"),
        output_tokens=tokens(counts, "completion_tokens"),
    )


def read_completion(completion: Mapping[str, Any]) -> Reply:
    """Return the first choice. Raises AnswerRefused, InvalidAnswer, BrokenOff."""
    choices = completion.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    counts = choice.get("usage") if isinstance(choice, Mapping) else None
    usage = usage_of(completion.get("usage") or counts)
    if not isinstance(choice, Mapping):
        raise InvalidAnswer("the provider's reply holds no message", usage=usage)
    if choice.get("error"):
        raise BrokenOff(choice["error"], usage=usage)
    message, reason = choice.get("message"), choice.get("finish_reason")
    ended = ending(reason, usage)
    if not isinstance(message, Mapping):
        raise InvalidAnswer("the provider's reply holds no message", usage=usage)
    if message.get("refusal"):
        raise AnswerRefused("the model declined to answer", usage=usage)
    return reply_of(_answer(message), _thoughts(message), usage, ended)


def _answer(message: Mapping[str, Any]) -> str | Mapping[str, Any]:
    """Return what a message says, or what it calls a tool with: some servers make a tool call of
    each answer in JSON.
    """
    text = text_in(message.get("content"))
    calls = message.get("tool_calls")
    called = [message.get("function_call")]
    if isinstance(calls, list):
        called += [call.get("function") for call in calls if isinstance(call, Mapping)]
    given = [call.get("arguments") for call in called if isinstance(call, Mapping)]
    inputs = [each for each in given if isinstance(each, str | Mapping) and each]
    if isinstance(parsed := message.get("parsed"), Mapping) and not text:
        inputs.append(parsed)
    return best_of(text, inputs)


def _thoughts(message: Mapping[str, Any]) -> str:
    """Return what the model thought aloud: in a field of its own, or in parts."""
    found = [text for name in _THOUGHTS if (text := text_in(message.get(name)))]
    for name in ("reasoning_details", "content"):
        found += thoughts_in(message.get(name))
    return "\n".join(dict.fromkeys(found))


class OpenAIApi:
    """Implements ModelApi for one account."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._listed: Sequence[str] = ()
        """The models that the provider listed at the last check."""

    @classmethod
    def open(
        cls,
        spec: ProviderSpec,
        api_key: SecretStr | None,
        read_limits: ReadLimits,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> "OpenAIApi":
        """Return a client; nothing is sent yet. Raises ProviderUnusable."""
        key = key_in(api_key)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        # OpenAI's own models all take the newer name; elsewhere the older one is safer.
        own = checked_base_url(spec.base_url or BASE_URL) == BASE_URL
        dialect = Dialect(limit="max_completion_tokens" if own else "max_tokens")
        negotiation = Negotiation(dialect, OPENAI_STEPS, guessed_form)
        return cls(open_endpoint(spec, BASE_URL, headers, key, read_limits, negotiation, transport))

    async def send(self, prompt: Prompt, *, max_output_tokens: int) -> Reply:
        """Send one request. Raises Renegotiated where the next one will be another."""

        def body(dialect: Dialect) -> Json:
            return request_body(self._endpoint.model, prompt, max_output_tokens, dialect)

        with naming(self._listed, self._endpoint):
            return await self._endpoint.ask("/chat/completions", body, read_completion)

    @property
    def address(self) -> str:
        """The provider's address, the same for all ways to write it."""
        return self._endpoint.address

    async def check(self) -> bool:
        """Ask for the model's card, and where there is none for the list of models.

        A model that is in neither may be known all the same, as a deployment or by a pattern: only
        a question proves that it is not. Return whether the server says that it has few slots.
        """
        card = f"/models/{quote(self._endpoint.model, safe='')}"
        look = await self._endpoint.look_at_any(card, "/models")
        self._listed = listed_in(look)
        return has_few_slots(look)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._endpoint.aclose()
