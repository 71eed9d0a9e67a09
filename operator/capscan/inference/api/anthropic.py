"""Anthropic's Messages API: the input of a forced tool call is the answer.

Models that always think cannot be forced to call a tool: they get the choice, and the prompt asks
for JSON anyway. The API's `input_tokens` leave out what was read from and written to the cache;
capscan's count it.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx2
from pydantic import SecretStr

from capscan.core.answer.prompt import Prompt, answer_schema
from capscan.core.errors import AnswerRefused
from capscan.inference.api.dialect import Dialect, Negotiation, Step, free_choice
from capscan.inference.api.endpoint import (
    Endpoint,
    key_in,
    listed_in,
    naming,
    open_endpoint,
)
from capscan.inference.api.http import Json
from capscan.inference.api.protocol import ReadLimits, Reply
from capscan.inference.api.refusal import tokens
from capscan.model import Usage
from capscan.model.provider import ProviderSpec

BASE_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"
TOOL = "record_analysis"
STEPS: Sequence[Step] = (free_choice,)
"""What is tried, in this order, after a server refused a part of a request."""


def request_body(model: str, prompt: Prompt, max_output_tokens: int, dialect: Dialect) -> Json:
    """Return the request. Tools and system prompt are the same for every CRD, so that the cache
    holds them together.
    """
    system = {"type": "text", "text": prompt.system, "cache_control": {"type": "ephemeral"}}
    tool = {
        "name": TOOL,
        "description": "Record what the CustomResourceDefinition is for.",
        "input_schema": answer_schema(),
    }
    return {
        "model": model,
        "max_tokens": max_output_tokens,
        "tools": [tool],
        "tool_choice": {"type": "tool", "name": TOOL} if dialect.forces_tool else {"type": "auto"},
        "system": [system],
        "messages": [{"role": m.role.value, "content": m.text} for m in prompt.messages],
    }


def usage_of(counts: object) -> Usage:
    """Return what one request took, from the response's `usage`."""
    cached = tokens(counts, "cache_read_input_tokens")
    written = tokens(counts, "cache_creation_input_tokens")
    return Usage(
        requests=1,
        input_tokens=tokens(counts, "input_tokens") + cached + written,
        cached_input_tokens=cached,
        output_tokens=tokens(counts, "output_tokens"),
    )


def read_message(message: Mapping[str, Any]) -> Reply:
    """Return the tool's input, or the text where the model wrote some instead.

    Raises AnswerRefused.
    """
    usage, stop = usage_of(message.get("usage")), message.get("stop_reason")
    if stop == "refusal":
        raise AnswerRefused("the model declined to answer", usage=usage)
    content = message.get("content")
    blocks = [b for b in content if isinstance(b, Mapping)] if isinstance(content, list) else []
    called = next((b.get("input") for b in blocks if b.get("type") == "tool_use"), None)
    text = "".join(b["text"] for b in blocks if isinstance(b.get("text"), str))
    truncated = stop in ("max_tokens", "model_context_window_exceeded")
    return Reply(text if called is None else _answer(called), usage, truncated=truncated)


def _answer(called: object) -> str | Mapping[str, Any]:
    """Return the answer in a tool's input. Gateways hand on what a model made of the schema: a list
    of it, or JSON in a string.
    """
    if isinstance(called, list):
        called = called[0] if called else ""
    return called if isinstance(called, str | Mapping) else ""


class AnthropicApi:
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
    ) -> "AnthropicApi":
        """Return a client; nothing is sent yet. Raises ProviderUnusable."""
        key = key_in(api_key)
        headers = {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})
        negotiation = Negotiation(Dialect(), STEPS)
        return cls(open_endpoint(spec, BASE_URL, headers, key, read_limits, negotiation, transport))

    async def send(self, prompt: Prompt, *, max_output_tokens: int) -> Reply:
        """Send one request. Raises Renegotiated where the next one will be another."""

        def body(dialect: Dialect) -> Json:
            return request_body(self._endpoint.model, prompt, max_output_tokens, dialect)

        with naming(self._listed, self._endpoint):
            return await self._endpoint.ask(f"{self._version}/messages", body, read_message)

    @property
    def address(self) -> str:
        """The provider's address, the same for all ways to write it."""
        return self._endpoint.address

    async def check(self) -> None:
        """Ask for the model's card, and where there is none for the list of models.

        A gateway may know a model that is in neither: only a question proves that it does not.
        """
        models = f"{self._version}/models"
        card = f"{models}/{quote(self._endpoint.model, safe='')}"
        self._listed = listed_in(await self._endpoint.look_at_any(card, models))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._endpoint.aclose()

    @property
    def _version(self) -> str:
        """The part of the path that spec.baseURL may end with already: people write it with the
        version, as for the other protocol, and without.
        """
        return "" if self._endpoint.http.base_url.endswith("/v1") else "/v1"
