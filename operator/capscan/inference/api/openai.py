"""OpenAI's chat completions, as OpenAI and the many servers after it speak them.

The servers differ in two parts of a request: how the answer's form is asked for, and what the
limit of its tokens is called. `dialect.py` says what is tried after a refusal. Azure is reached
through its v1 API (https://NAME.openai.azure.com/openai/v1), which takes the key as others do.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx2
from pydantic import SecretStr

from capscan.core.answer.prompt import Prompt, answer_schema
from capscan.core.errors import AnswerRefused, InvalidAnswer
from capscan.inference.api.address import checked_base_url
from capscan.inference.api.dialect import (
    Dialect,
    Form,
    Negotiation,
    Step,
    next_form,
    other_limit,
)
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

BASE_URL = "https://api.openai.com/v1"

STEPS: Sequence[Step] = (next_form, other_limit)
"""What is tried, in this order, after a server refused a part of a request."""


def request_body(model: str, prompt: Prompt, max_output_tokens: int, dialect: Dialect) -> Json:
    """Return the request; its fixed part comes first, where caches look for it."""
    turns = [{"role": "system", "content": prompt.system}]
    turns += [{"role": m.role.value, "content": m.text} for m in prompt.messages]
    body: Json = {"model": model, "messages": turns, dialect.limit: max_output_tokens}
    if dialect.form is Form.SCHEMA:
        schema = {"name": "analysis", "strict": True, "schema": answer_schema()}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif dialect.form is Form.OBJECT:
        body["response_format"] = {"type": "json_object"}
    return body


def usage_of(counts: object) -> Usage:
    """Return what one request took, from the response's `usage`."""
    return Usage(
        requests=1,
        input_tokens=tokens(counts, "prompt_tokens"),
        cached_input_tokens=tokens(counts, "prompt_tokens_details", "cached_tokens"),
        output_tokens=tokens(counts, "completion_tokens"),
    )


def read_completion(completion: Mapping[str, Any]) -> Reply:
    """Return the first choice. Raises AnswerRefused, InvalidAnswer."""
    usage = usage_of(completion.get("usage"))
    choices = completion.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(choice, Mapping) or not isinstance(message, Mapping):
        raise InvalidAnswer("the provider's reply holds no message", usage=usage)
    if message.get("refusal"):
        raise AnswerRefused("the model declined to answer", usage=usage)
    if choice.get("finish_reason") == "content_filter":
        raise AnswerRefused("the provider's content filter stopped the answer", usage=usage)
    truncated = choice.get("finish_reason") == "length"
    return Reply(_text(message.get("content")), usage, truncated=truncated)


def _text(content: object) -> str:
    """Return the text of a message: the content is a text, or a list of parts with text."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


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
        negotiation = Negotiation(dialect, STEPS)
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

    async def check(self) -> None:
        """Ask for the model's card, and where there is none for the list of models.

        A model that is in neither may be known all the same, as a deployment or by a pattern: only
        a question proves that it is not.
        """
        card = f"/models/{quote(self._endpoint.model, safe='')}"
        self._listed = listed_in(await self._endpoint.look_at_any(card, "/models"))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._endpoint.aclose()
