"""One endpoint of a provider: its connections, its model, and how its responses are taken.

It holds what the APIs have in common. What is particular to one protocol is in `anthropic.py` and
`openai.py`; what servers of one protocol differ in is in `dialect.py`.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from pydantic import SecretStr

from capscan.core.answer.rambling import rambles
from capscan.core.errors import (
    AnswerRefused,
    CapscanError,
    ContextTooLong,
    InferenceError,
    InvalidAnswer,
    ProviderOverloaded,
    ProviderUnavailable,
    ProviderUnusable,
    RateLimited,
    RoomRefused,
)
from capscan.inference.api.address import warning_about
from capscan.inference.api.complaints import complaint
from capscan.inference.api.dialect import Dialect, Negotiation
from capscan.inference.api.endings import BrokenOff, is_unfinished
from capscan.inference.api.http import HttpClient, HttpReply, Json, open_http
from capscan.inference.api.protocol import ReadLimits, Renegotiated, Reply
from capscan.inference.api.quoting import holds
from capscan.inference.api.refusal import Refusals
from capscan.inference.api.said import said_by
from capscan.model import ObservedLimits, Usage
from capscan.model.provider import ProviderSpec

logger = logging.getLogger(__name__)

REFUSED = Usage(requests=1)
"""What a refused request takes."""
NAMED_MAX = 5
"""So many models are named beside one that is not known."""

_PART_REFUSED = frozenset({200, 400, 403, 404, 405, 415, 422, 500, 501})
"""Statuses under which servers refuse a part of a request: gateways put the refusal into a 200, and
a template without a system role breaks some servers over it."""
_NO_PART = (
    AnswerRefused,
    ContextTooLong,
    InvalidAnswer,
    ProviderOverloaded,
    ProviderUnavailable,
    RateLimited,
    RoomRefused,
)
"""Errors that say what is wrong: another request would be refused as well."""
_NO_LOOK = frozenset({501, 505})
"""Statuses of a server that does not know what a look asks for."""
_LOOK_FORBIDDEN = re.compile(r"scope|permission|admin|not allowed|\brole\b", re.IGNORECASE)
"""Words of a key that may not look, and may still ask."""


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
        observed, asked_s = self.read_limits(response.headers)
        if response.status == 400 and is_unfinished(complaint(response)):
            return Reply("", REFUSED, observed, truncated=True)
        try:
            if error := self.refusals.of(response):
                if self._renegotiates(spoken, response, error):
                    raise _renegotiated(error) from error
                raise error
            reply = replace(read(_object_in(response)), observed=observed)
            if holds(reply.answer, self.refusals.secret) or (
                holds(reply.thoughts, self.refusals.secret)
            ):
                raise InvalidAnswer("the answer quotes the API key", usage=reply.usage)
        except BrokenOff as error:
            raise self._broken_off(error, observed, asked_s) from error
        except InferenceError as error:
            error.observed = observed
            if error.retry_after_s is None:
                error.retry_after_s = asked_s
            raise
        rambled = reply.truncated and isinstance(reply.answer, str) and rambles(reply.answer)
        self.negotiation.answered(spoken, rambled=rambled)
        return reply

    def _renegotiates(self, spoken: Dialect, response: HttpReply, error: CapscanError) -> bool:
        """Return whether a refusal is about a part of the request, which the next one leaves out.

        All words of the refusal are searched: of a long one, what is quoted may not name the part.
        """
        if response.status not in _PART_REFUSED or isinstance(error, _NO_PART):
            return False
        if isinstance(error, ProviderUnusable) and error.reason == "InsufficientQuota":
            return False
        return self.negotiation.moves_on(spoken, complaint(response))

    def _broken_off(
        self, broken: BrokenOff, observed: ObservedLimits | None, asked_s: float | None
    ) -> CapscanError:
        """Return the error in which an answer ended, as if it were that of the whole request."""
        found = self.refusals.in_place_of_an_answer(broken.error, broken.usage)
        if isinstance(found, InferenceError):
            found.observed = observed
            if found.retry_after_s is None:
                found.retry_after_s = asked_s
        return found

    async def look(self, path: str) -> HttpReply:
        """Send a request that costs nothing.

        Raises what is sure: a refused key, an address that leads astray, a provider that is away.
        A key that may not do this may still be good for answers.
        """
        response = await self.http.get(path)
        error, status = self.refusals.of(response), response.status
        if status == 401 and _LOOK_FORBIDDEN.search(said_by(response).words):
            error = None
        sure = status < 400 or status == 401 or (status >= 500 and status not in _NO_LOOK)
        if error and sure:
            raise error
        return response

    async def look_at_any(self, *paths: str) -> HttpReply | None:
        """Look at the first of these paths that may be looked at; None where none may.

        A look that is refused proves nothing where another one is answered. Raises what the first
        refused one was answered where none is, and at once where nobody is there.
        """
        refused: ProviderUnusable | None = None
        for path in paths:
            try:
                response = await self.look(path)
            except ProviderUnusable as error:
                refused = refused or error
                continue
            if response.status < 300:
                return response
            if response.status not in (404, 405):
                break
        if refused is not None:
            raise refused
        return None

    async def aclose(self) -> None:
        """Close all connections."""
        await self.http.aclose()


def listed_in(reply: HttpReply | None) -> Sequence[str]:
    """Return the names of the models in a listing; none where it cannot be read."""
    value = reply.json() if reply else None
    data = value.get("data") if isinstance(value, Mapping) else None
    listed = [m for m in data if isinstance(m, Mapping)] if isinstance(data, list) else []
    return sorted({m["id"] for m in listed if isinstance(m.get("id"), str)})


@contextmanager
def naming(listed: Sequence[str], endpoint: Endpoint) -> Iterator[None]:
    """Let the error for an unknown model name some that the provider listed: often the name has a
    typing error.
    """
    try:
        yield
    except ProviderUnusable as error:
        if error.reason != "ModelNotFound" or not listed or endpoint.model in listed:
            raise
        known = endpoint.refusals.quoted(", ".join(listed[:NAMED_MAX]))
        raise ProviderUnusable(
            error.reason, f"{str(error).rstrip('.')}; it lists {known}"
        ) from error


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
    http = open_http(spec, default_base_url, headers, transport, secret=key)
    if key and (warning := warning_about(spec)):
        logger.warning("%s", warning)
    refusals = Refusals(http.base_url, spec.model, key)
    return Endpoint(spec.model, http, refusals, read_limits, negotiation)


def _renegotiated(error: CapscanError) -> Renegotiated:
    if isinstance(error, InferenceError):
        return Renegotiated.after(error)
    return Renegotiated(str(error), usage=Usage(requests=1))


def _object_in(response: HttpReply) -> Mapping[str, Any]:
    value = response.json()
    if not isinstance(value, Mapping):
        raise InvalidAnswer("the provider's reply is no JSON object", usage=Usage(requests=1))
    return value
