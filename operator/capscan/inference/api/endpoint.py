"""One endpoint of a provider: its connections, its model, and how its responses are taken.

It holds what the APIs have in common. What is particular to one protocol is in `anthropic.py` and
`openai.py`; what servers of one protocol differ in is in `dialect.py`.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from pydantic import SecretStr

from capscan.core.errors import (
    InferenceError,
    InvalidAnswer,
    ProviderUnusable,
    RequestRejected,
)
from capscan.inference.api.address import is_in_the_clear
from capscan.inference.api.dialect import Dialect, Negotiation
from capscan.inference.api.http import HttpClient, HttpReply, Json, open_http
from capscan.inference.api.protocol import ReadLimits, Renegotiated, Reply
from capscan.inference.api.refusal import Refusals, said_in
from capscan.model import Usage
from capscan.model.provider import ProviderSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Sends to one provider, and raises what is no answer."""

    model: str
    http: HttpClient
    refusals: Refusals
    read_limits: ReadLimits
    negotiation: Negotiation

    @property
    def address(self) -> str:
        """The provider's address, the same for all ways to write it."""
        return str(httpx2.URL(self.http.base_url)).rstrip("/").removesuffix("/v1")

    async def ask(
        self,
        path: str,
        body: Callable[[Dialect], Json],
        read: Callable[[Mapping[str, Any]], Reply],
    ) -> Reply:
        """Send one request, in the dialect that the server is known to take.

        Errors carry what the response said of limits, those that `read` raises too. Raises
        InferenceError, ProviderUnusable; Renegotiated where the next request will be another.
        """
        spoken = self.negotiation.dialect
        response = await self.http.post(path, body(spoken))
        observed, retry_after_s = self.read_limits(response.headers)
        try:
            if error := self.refusals.of(response):
                raise error
            return replace(read(_object_in(response)), observed=observed)
        except InferenceError as error:
            error.observed, error.retry_after_s = observed, retry_after_s
            refused = isinstance(error, RequestRejected)
            if refused and self.negotiation.moves_on(spoken, error.message):
                raise Renegotiated.after(error) from error
            raise

    async def look(self, path: str) -> HttpReply:
        """Send a request that costs nothing.

        Raises what is sure: a refused key, an address that leads astray, a provider that is away.
        A key that may not do this may still be good for answers.
        """
        response = await self.http.get(path)
        error = self.refusals.of(response)
        said = said_in(response.json())
        if response.status == 401 and said and "scope" in said.words.lower():
            error = None
        sure = response.status < 400 or response.status == 401 or response.status >= 500
        if error and sure:
            raise error
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self.http.aclose()


def key_in(api_key: SecretStr | None) -> str:
    """Return the key as it goes into a header, empty where there is none.

    Raises ProviderUnusable, which does not show it.
    """
    if api_key is None:
        return ""
    key = api_key.get_secret_value().strip()
    if not key:
        raise ProviderUnusable("InvalidCredentials", "the API key in the Secret is empty")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ProviderUnusable(
            "InvalidCredentials",
            "the API key in the Secret has spaces, line breaks or other characters that no key has",
        )
    return key


def open_endpoint(
    spec: ProviderSpec,
    default_base_url: str,
    headers: Mapping[str, str],
    key: str,
    read_limits: ReadLimits,
    negotiation: Negotiation,
    transport: httpx2.AsyncBaseTransport | None,
) -> Endpoint:
    """Return the endpoint of `spec`; nothing is sent yet. `transport` replaces the network.

    Raises ProviderUnusable.
    """
    http = open_http(spec, default_base_url, headers, transport)
    if key and is_in_the_clear(http.base_url):
        logger.warning("The API key goes to %s unencrypted; use https://.", http.base_url)
    refusals = Refusals(http.base_url, spec.model, key)
    return Endpoint(spec.model, http, refusals, read_limits, negotiation)


def _object_in(response: HttpReply) -> Mapping[str, Any]:
    value = response.json()
    if not isinstance(value, Mapping):
        raise InvalidAnswer("the provider's reply is no JSON object", usage=Usage(requests=1))
    return value
