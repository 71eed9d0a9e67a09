"""Anthropic's Messages API: the input of a forced tool call is the answer.

Models that always think cannot be forced to call a tool: they get the choice. Servers that know no
tools are offered none, and the prompt asks for JSON anyway. The API's `input_tokens` leave out what
was read from and written to the cache; capscan's count it.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx2
from pydantic import SecretStr

from capscan.core.answer.prompt import Prompt
from capscan.core.errors import AnswerRefused
from capscan.inference.api.dialect import Dialect, Negotiation, Tool
from capscan.inference.api.endings import ending
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
from capscan.inference.api.steps import ANTHROPIC_STEPS, guessed_tool
from capscan.model import Usage
from capscan.model.provider import ProviderSpec

BASE_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"
TOOL = "record_analysis"


def request_body(model: str, prompt: Prompt, max_output_tokens: int, dialect: Dialect) -> Json:
    """Return the request. Tools and system prompt are the same for every CRD, so that the cache
    holds them together.
    """
    body: Json = {"model": model, "max_tokens": max_output_tokens}
    if dialect.tool is not Tool.NONE:
        told = "Record what the CustomResourceDefinition is for."
        body["tools"] = [{"name": TOOL, "description": told, "input_schema": schema_in(dialect)}]
        forced = {"type": "tool", "name": TOOL}
        body["tool_choice"] = forced if dialect.tool is Tool.FORCED else {"type": "auto"}
    if dialect.has_system_role:
        marked = {"type": "text", "text": prompt.system, "cache_control": {"type": "ephemeral"}}
        body["system"] = [marked] if dialect.marks_cache else prompt.system
    turns = in_dialect(prompt, dialect)
    body["messages"] = [{"role": m.role.value, "content": m.text} for m in turns]
    return body


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

    Raises AnswerRefused, and the error of an answer that was broken off.
    """
    usage, stop = usage_of(message.get("usage")), message.get("stop_reason")
    if stop == "refusal":
        raise AnswerRefused("the model declined to answer", usage=usage)
    ended = ending(stop, usage)
    content = message.get("content")
    blocks = [b for b in content if isinstance(b, Mapping)] if isinstance(content, list) else []
    inputs = [
        given
        for block in sorted(blocks, key=lambda block: block.get("name") == TOOL)
        if block.get("type") == "tool_use" and (given := _input(block.get("input")))
    ]
    thoughts = "\n".join(thoughts_in(content))
    return reply_of(best_of(text_in(content), inputs), thoughts, usage, ended)


def _input(given: object) -> str | Mapping[str, Any]:
    """Return the answer in a tool's input. Gateways hand on what a model made of the schema: a list
    of it, or JSON in a string.
    """
    if isinstance(given, list):
        given = given[0] if given else ""
    return given if isinstance(given, str | Mapping) else ""


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
        negotiation = Negotiation(Dialect(), ANTHROPIC_STEPS, guessed_tool)
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

    async def check(self) -> bool:
        """Ask for the model's card, and where there is none for the list of models.

        A gateway may know a model that is in neither: only a question proves that it does not.
        Return whether the server says that it has few slots.
        """
        models = f"{self._version}/models"
        card = f"{models}/{quote(self._endpoint.model, safe='')}"
        look = await self._endpoint.look_at_any(card, models)
        self._listed = listed_in(look)
        return has_few_slots(look)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._endpoint.aclose()

    @property
    def _version(self) -> str:
        """The part of the path that spec.baseURL may end with already: people write it with the
        version, as for the other protocol, and without.
        """
        return "" if self._endpoint.http.base_url.endswith("/v1") else "/v1"
