"""Turns a response that is no answer into the error it stands for, the same way for all APIs.

Providers use one status for several things and several statuses for one, so status, words and
waits are judged together: `_JUDGES` is the order in which they decide. What a body says is read in
`said.py`, what its words mean in `account_words.py`, `room_words.py` and `failure_words.py`. Texts
are quoted as `quoting.py` does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from capscan.core.errors import (
    AnswerRefused,
    CapscanError,
    ContextTooLong,
    InferenceError,
    InvalidAnswer,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnavailable,
    ProviderUnusable,
    RateLimited,
    RequestRejected,
    RequestSingledOut,
    RoomRefused,
)
from capscan.core.limits.ratelimit_headers import retry_after_s
from capscan.core.limits.waits import http_date
from capscan.inference.api import account_words, failure_words, room_words
from capscan.inference.api.address import INVALID, usual_path
from capscan.inference.api.body_waits import PROBE_S_MAX, asked_in_body_s
from capscan.inference.api.http import HttpReply
from capscan.inference.api.in_band import error_in, status_of
from capscan.inference.api.quoting import quoted
from capscan.inference.api.said import Said, said_by, said_in
from capscan.inference.api.statuses import STATUSES
from capscan.model import Usage

EMPTY = "InsufficientQuota"
NOT_LET_IN = "InvalidCredentials"
TOKENS_MAX = 10**12
"""No request takes so many tokens: a larger count is a mistake, or a lie."""

_LIMITED_TOO = frozenset({400, 402, 403, 412, 422})
"""Statuses with which a limit is told as well as with 429, where the provider says until when."""
_MAY_QUOTE = frozenset({400, 422, 500})
"""Statuses with which servers refuse one question, and quote it."""
_ROOM = frozenset({400, 413, 422, 500})


@dataclass(frozen=True, slots=True)
class _Case:
    """A refusal that is to be judged."""

    status: int
    said: Said
    words: str
    quote: str
    asked_s: float | None
    """How long the response asks to wait, by its headers or its body."""
    reply: HttpReply

    @property
    def is_told_limit(self) -> bool:
        """Whether it speaks of a limit and says when that is over."""
        return self.asked_s is not None and account_words.is_limit(self.words)

    @property
    def is_page(self) -> bool:
        return self.reply.is_web_page

    @property
    def text(self) -> str:
        return f"the provider answered {self.status}" + (f": {self.quote}" if self.quote else "")


@dataclass(frozen=True, slots=True)
class Refusals:
    """Translates the refusals that one account gets. They name its model, and never its key."""

    base_url: str
    model: str
    secret: str = field(default="", repr=False)

    def of(self, reply: HttpReply) -> CapscanError | None:
        """Return the error that a reply stands for; None for a reply that may be an answer."""
        if reply.status >= 300 or reply.is_web_page:
            return self._judged(reply.status, said_by(reply), reply)
        found = error_in(reply.json())
        return found and self._judged(*found, HttpReply(found[0], reply.headers, b""))

    def in_place_of_an_answer(self, error: object, usage: Usage | None = None) -> CapscanError:
        """Return the error that an `error` inside a 200 or a choice stands for: an object as in any
        refusal, or a text. `usage` is what the request took all the same.
        """
        said = said_in({"error": error}) or Said()
        status = status_of(said)
        found = self._judged(status, said, HttpReply(status, {}, b""))
        if usage is not None and isinstance(found, InferenceError):
            found.usage = usage
        return found

    def quoted(self, text: str) -> str:
        """Return the text short, on one line and without the key."""
        return quoted(text, self.secret)

    def _judged(self, status: int, said: Said, reply: HttpReply) -> CapscanError:
        asked_s = _asked_s(said, reply)
        case = _Case(status, said, said.words, self.quoted(said.message), asked_s, reply)
        found = next(error for judge in _JUDGES if (error := judge(self, case)) is not None)
        if isinstance(found, InferenceError):
            found.usage = Usage(requests=1)
            found.retry_after_s = asked_s
        return found

    def _astray(self, case: _Case) -> CapscanError | None:
        """Judge what speaks of the address: a page or a redirect where JSON was due."""
        status, words = case.status, case.words
        challenged = case.reply.headers.get("cf-mitigated", "") == "challenge"
        if status >= 400 and (
            challenged or (case.is_page and failure_words.wants_a_browser(words))
        ):
            text = f"a gateway before {self.base_url} asks for a browser ({status}): {case.quote}"
            return ProviderUnusable(INVALID, text, otherwise=_alone(case))
        if status == 400 and failure_words.wants_tls(words):
            return self._wrong_address(case, "speaks TLS alone (400): should it begin with https")
        if status < 400 or (case.is_page and status in (404, 405, 511)):
            return self._wrong_address(case)
        return None

    def _room(self, case: _Case) -> CapscanError | None:
        affordable = room_words.affordable(case.words)
        if affordable is not None and affordable >= room_words.AFFORDABLE_TOKENS_MIN:
            return RoomRefused(case.text, tokens_max=affordable)
        allowed = room_words.prompt_limit(case.words)
        if allowed is not None and allowed >= room_words.PROMPT_TOKENS_MIN:
            return ContextTooLong(case.text)
        room = room_words.room_in(case.words) if case.status in _ROOM else None
        return RoomRefused(case.text, tokens_max=room.tokens_max) if room else None

    def _money(self, case: _Case) -> CapscanError | None:
        words = case.words
        empty = account_words.is_money(words, case.said.codes) or case.said.allows_nothing
        if not empty and case.asked_s is None:
            paid = case.status == 402 and not account_words.is_asked_to_retry(words)
            empty = paid or account_words.is_quota(words)
            empty = empty or (case.status == 403 and account_words.is_used_up(words))
        if not empty and (case.is_told_limit or not account_words.is_about_money(words)):
            return None
        text = f"the account has nothing left to spend ({case.status}): {case.quote}"
        unsure = not empty and case.status in _MAY_QUOTE
        return ProviderUnusable(EMPTY, text, otherwise=_alone(case) if unsure else None)

    def _limited(self, case: _Case) -> CapscanError | None:
        status, words = case.status, case.words
        if status == 429 and case.asked_s is None and account_words.is_closed(words):
            return None
        limited = (
            status in (402, 429)
            or (status in _LIMITED_TOO and (case.is_told_limit or account_words.is_rate(words)))
            or (status >= 500 and failure_words.relays_429(words))
        )
        at_once = failure_words.is_of_concurrency(status, words, case.reply.headers)
        if not limited and not (status == 503 and at_once):
            return None
        if "request too large" in words.lower():
            return ContextTooLong(case.text)  # a whole minute's limit is less: no wait will help
        return RateLimited(case.text, of_concurrency=at_once)

    def _model(self, case: _Case) -> CapscanError | None:
        if case.status not in (400, 401, 403, 404) or not account_words.is_no_model(case.words):
            return None
        text = f"the provider has no model {self.model!r} for this account: {case.quote}"
        return ProviderUnusable("ModelNotFound", text)

    def _access(self, case: _Case) -> CapscanError | None:
        """Judge who is turned away: everybody, or this request alone."""
        status, words = case.status, case.words
        if status >= 500:
            return None
        if failure_words.is_outage(status, words):
            return ProviderUnavailable(case.text)
        if status == 403 and failure_words.is_filter(words):
            return AnswerRefused(case.text)
        if status in (400, 403) and failure_words.is_of_the_path(words):
            return self._wrong_address(case)
        shut, no_key = account_words.is_shut_out(words), account_words.refuses_the_key(words)
        if status not in (401, 403) and not shut and not no_key:
            return None
        of_key = status == 401 or no_key or account_words.speaks_of_the_key(words)
        away = "turns this account away" if shut else "refuses access"
        did = "refuses the API key" if of_key else away
        sure = status == 401 or shut or no_key
        text = f"the provider {did} ({status}): {case.quote}"
        return ProviderUnusable(NOT_LET_IN, text, otherwise=None if sure else _alone(case))

    def _path(self, case: _Case) -> CapscanError | None:
        if case.status not in (404, 405):
            return None
        if failure_words.can_do_with_less(case.words):
            return RequestRejected(case.text)
        return self._wrong_address(case)

    def _behind(self, case: _Case) -> CapscanError | None:
        """Judge what a gateway says of the server behind it."""
        status, words = case.status, case.words
        if kind := STATUSES.get(status):
            return kind(case.text)
        if failure_words.is_outage(status, words):
            return ProviderUnavailable(case.text)
        if failure_words.is_overload(words):
            return ProviderOverloaded(case.text)
        if status >= 500 and failure_words.is_too_large_to_process(words):
            return ContextTooLong(case.text)
        return None

    def _passing(self, case: _Case) -> CapscanError:
        status, words = case.status, case.words
        if status >= 500:
            return ProviderFailed(case.text)
        if "json_validate_failed" in words:  # Groq: what the model wrote is no JSON
            return InvalidAnswer(case.text)
        if failure_words.is_context(words):
            return ContextTooLong(case.text)
        return (AnswerRefused if failure_words.is_filter(words) else RequestRejected)(case.text)

    def _wrong_address(self, case: _Case, did: str = "") -> ProviderUnusable:
        url = self.base_url
        ending = "" if "/v1" in url else f", and should it end in {usual_path(url)}"
        text = f"{url} {did or self._did(case)}; is spec.baseURL right{ending}?"
        return ProviderUnusable(INVALID, text, otherwise=_alone(case))

    def _did(self, case: _Case) -> str:
        status = case.status
        if 300 <= status < 400:
            return f"redirects{self._target(case.reply)}, which capscan does not follow"
        titled = case.is_page and b"<title" in case.reply.body[:20_000].lower()
        said = f": {case.quote}" if case.quote and (titled or not case.is_page) else ""
        if case.is_page:
            return f"answers with a web page ({status}{said})"
        return f"knows no such path ({status}{said})"

    def _target(self, reply: HttpReply) -> str:
        """Return where a redirect leads: scheme and host alone, since the rest may hold a token."""
        try:
            target = urlsplit(reply.headers.get("location", ""))
            where = f"{target.scheme}://{target.hostname}"
        except ValueError:
            return ""
        return f" to {self.quoted(where)}" if target.hostname else ""


_JUDGES: tuple[Callable[[Refusals, _Case], CapscanError | None], ...] = (
    Refusals._astray,
    Refusals._room,
    Refusals._money,
    Refusals._limited,
    Refusals._model,
    Refusals._access,
    Refusals._path,
    Refusals._behind,
    Refusals._passing,
)
"""Who judges a refusal, in this order: the first who knows it decides, and the last knows all."""


def tokens(counts: object, *path: str) -> int:
    """Return the count at this path in a response's usage, at most TOKENS_MAX; 0 where there is
    none.
    """
    for key in path:
        counts = counts.get(key) if isinstance(counts, Mapping) else None
    if not isinstance(counts, int) or isinstance(counts, bool):
        return 0
    return max(0, min(counts, TOKENS_MAX))


def _asked_s(said: Said, reply: HttpReply) -> float | None:
    """Return how long a response asks to wait. The clock is the server's, where that tells it."""
    now = http_date(reply.headers.get("date", "")) or datetime.now(UTC)
    in_headers_s, in_body_s = retry_after_s(reply.headers, now), asked_in_body_s(said, now)
    if in_headers_s is None:
        return in_body_s
    return in_headers_s if in_body_s is None else min(in_headers_s, PROBE_S_MAX)


def _alone(case: _Case) -> RequestSingledOut:
    text = f"the provider turns this request down ({case.status}) and answers others"
    said = f"{text}: {case.quote}" if case.quote else text
    return RequestSingledOut(said, usage=Usage(requests=1))
