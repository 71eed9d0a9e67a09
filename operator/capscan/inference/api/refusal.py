"""Turns a response that is no answer into the error it stands for, the same way for all APIs.

The status says most of it; the words are searched where providers use one status for several
things. Their texts are quoted short and safe to print, and never with the key in them.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from capscan.core.answer.reading import clean
from capscan.core.errors import (
    AnswerRefused,
    CapscanError,
    ContextTooLong,
    InferenceError,
    InferenceTimeout,
    InvalidAnswer,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnavailable,
    ProviderUnusable,
    RateLimited,
    RequestRejected,
    RequestSingledOut,
)
from capscan.core.text import shorten
from capscan.inference.api.address import INVALID
from capscan.inference.api.http import HttpReply
from capscan.model import Usage

_QUOTE_CHARS_MAX = 240
_SEARCHED_CHARS_MAX = 4_000
_SECRET_CHARS_MIN = 8
"""Shorter keys are placeholders for local servers: words like any other, and no secrets."""

_QUOTA = re.compile(
    r"insufficient_quota|credit balance is too low|billing_hard_limit|insufficient balance"
    r"|exceeded your current quota|reached your specified api usage limits",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"context_length_exceeded|context (?:length|window|size)|maximum context|prompt is too long"
    r"|(?:input|prompt|request)[\w ]* (?:too long|too large|exceeds)|too many (?:input )?tokens"
    r"|max_model_len|request_too_large",
    re.IGNORECASE,
)
_FILTER = re.compile(r"content[_ ](?:filter|management policy|policy)", re.IGNORECASE)
_MODEL = re.compile(
    r"model_not_found|deploymentnotfound|deployment .*does not exist|invalid model\b"
    r"|not a valid model|unknown model|model\b.{0,300}\b(?:not found|not exist)"
    r"|not_found_error model:",
    re.IGNORECASE | re.DOTALL,
)
_KEY = re.compile(r"api[ _]key not valid|api_key_invalid|invalid api[ _-]?key", re.IGNORECASE)
_STATUSES: Mapping[int, type[InferenceError]] = {
    408: InferenceTimeout,
    413: ContextTooLong,
    429: RateLimited,
    498: ProviderOverloaded,  # Groq: flex capacity
    502: ProviderUnavailable,
    503: ProviderOverloaded,
    504: ProviderUnavailable,
    529: ProviderOverloaded,  # Anthropic: overloaded_error
}


@dataclass(frozen=True, slots=True)
class Said:
    """What the body of an error says."""

    message: str = ""
    codes: str = ""

    @property
    def words(self) -> str:
        """The words to search: some providers say it in a code, some in the message."""
        return f"{self.codes} {self.message}"[:_SEARCHED_CHARS_MAX]


def said_in(value: object) -> Said | None:
    """Return what the body of an error says; None where it has no shape that is known.

    Known are OpenAI's `{"error": {...}}`, a bare text there, `{"message"}`, `{"detail"}`, and lists
    of these.
    """
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, Mapping):
        return None
    inner = value.get("error", value)
    if not isinstance(inner, Mapping):
        return Said(_text(inner))
    message = _text(inner.get("message") or inner.get("detail") or value.get("message") or "")
    param = inner.get("param")
    if isinstance(param, str) and param not in message:
        message = f"{message} ({param})"
    codes = [_text(code) for key in ("code", "type", "status") if (code := inner.get(key))]
    return Said(message, " ".join(codes))


def _text(value: object) -> str:
    """Return a value as text: some servers send objects where others send a text."""
    try:
        return value if isinstance(value, str) else json.dumps(value)
    except RecursionError:  # who nests that deep says nothing else
        return ""


@dataclass(frozen=True, slots=True)
class Refusals:
    """Translates the refusals that one account gets. They name its model, and never its key."""

    base_url: str
    model: str
    secret: str = field(default="", repr=False)

    def of(self, reply: HttpReply) -> CapscanError | None:
        """Return the error that a reply stands for; None for a reply that may be an answer."""
        if reply.status < 300 and not reply.is_web_page:
            return self._in_body(reply)
        said = said_in(reply.json()) or Said(reply.body.decode(errors="replace"))
        return self._error(reply, said)

    def _in_body(self, reply: HttpReply) -> CapscanError | None:
        """Return the error in a 200: gateways send such when the provider behind them fails."""
        value = reply.json()
        if not isinstance(value, Mapping) or not value.get("error"):
            return None
        error = value["error"]
        code = error.get("code") if isinstance(error, Mapping) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
        return self._error(HttpReply(status, {}, b""), said_in(value) or Said())

    def _error(self, reply: HttpReply, said: Said) -> CapscanError:
        quote = self.quoted(said.message)
        found = self._unusable(reply, said, quote) or self._passing(reply.status, said, quote)
        if isinstance(found, InferenceError):
            found.usage = Usage(requests=1)
        return found

    def quoted(self, text: str) -> str:
        """Return the text short, on one line and without the key."""
        if len(self.secret) >= _SECRET_CHARS_MIN:
            text = text.replace(self.secret, "***")
        return shorten(clean(text[:_SEARCHED_CHARS_MAX]), _QUOTE_CHARS_MAX)

    def _unusable(self, reply: HttpReply, said: Said, quote: str) -> ProviderUnusable | None:
        status, words = reply.status, said.words
        if status < 400:
            return ProviderUnusable(
                INVALID, self._astray(reply), otherwise=self._alone(status, quote)
            )
        if status >= 500:
            return None
        found: tuple[str, str] | None = None
        otherwise = None
        if status == 402 or _QUOTA.search(words):
            found = ("InsufficientQuota", f"the account has nothing left to spend: {quote}")
        elif status in (400, 403, 404) and _MODEL.search(words):
            found = ("ModelNotFound", f"the provider has no model {self.model!r}: {quote}")
        elif status in (401, 403) or _KEY.search(words):
            found = ("InvalidCredentials", f"the provider refuses the API key ({status}): {quote}")
            otherwise = None if status == 401 or _KEY.search(words) else self._alone(status, quote)
        elif status in (404, 405) or reply.is_web_page:
            found = (INVALID, self._astray(reply))
            otherwise = self._alone(status, quote)
        return ProviderUnusable(*found, otherwise=otherwise) if found else None

    def _alone(self, status: int, quote: str) -> RequestSingledOut:
        text = f"the provider turns this request down ({status}) and answers others"
        return RequestSingledOut(f"{text}: {quote}" if quote else text, usage=Usage(requests=1))

    def _astray(self, reply: HttpReply) -> str:
        if 300 <= reply.status < 400:
            did = f"redirects{self._target(reply)}, which capscan does not follow"
        elif reply.is_web_page:
            did = f"answers with a web page ({reply.status})"
        else:
            did = f"knows no such path ({reply.status})"
        ending = "" if "/v1" in self.base_url else ", and should it end in /v1"
        return f"{self.base_url} {did}; is spec.baseURL right{ending}?"

    def _target(self, reply: HttpReply) -> str:
        """Return where a redirect leads: scheme and host alone, since the rest may hold a token."""
        try:
            target = urlsplit(reply.headers.get("location", ""))
        except ValueError:
            return ""
        where = f"{target.scheme}://{target.hostname}"
        return f" to {self.quoted(where)}" if target.hostname else ""

    def _passing(self, status: int, said: Said, quote: str) -> InferenceError:
        text = f"the provider answered {status}" + (f": {quote}" if quote else "")
        if status == 429 and "request too large" in said.words.lower():
            return ContextTooLong(text)  # a whole minute's limit is less: waiting will not help
        if kind := _STATUSES.get(status):
            return kind(text)
        if status >= 500:
            return ProviderFailed(text)
        if "json_validate_failed" in said.words:  # Groq: what the model wrote is no JSON
            return InvalidAnswer(text)
        if _CONTEXT.search(said.words):
            return ContextTooLong(text)
        return AnswerRefused(text) if _FILTER.search(said.words) else RequestRejected(text)


def tokens(counts: object, *path: str) -> int:
    """Return the count at this path in a response's usage; 0 where there is none."""
    for key in path:
        counts = counts.get(key) if isinstance(counts, Mapping) else None
    return counts if isinstance(counts, int) and not isinstance(counts, bool) and counts > 0 else 0
