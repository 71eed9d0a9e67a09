"""Finds in the words of a refusal what it says of a request, and of what is behind a gateway.

As in `account_words.py`, words that belong together are looked for in one sentence, and no pattern
has a repetition of unbounded length.
"""

import re
from collections.abc import Mapping

_SENTENCE_END = re.compile(r"[.!?;] |\n")

_CONTEXT = re.compile(
    r"context_length_exceeded|exceed_context_size|context (?:length|window|size)|maximum context"
    r"|prompt is too long|too many (?:input )?tokens|max_model_len|request_too_large"
    r"|too large to process",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"\b(?:input|inputs|prompt|request)\b", re.IGNORECASE)
_TOO_LONG = re.compile(r"\btoo long\b|\btoo large\b|\bexceeds?\b", re.IGNORECASE)
_INPUT_TOKENS = re.compile(r"inputs?`? tokens", re.IGNORECASE)
_FILTER = re.compile(
    r"content[_ ](?:filter|management policy|policy)|\bguardrails?\b|prompt blocked"
    r"|response blocked|flagged by|moderation|safety system|inappropriate content|data_?inspection"
    r"|敏感",
    re.IGNORECASE,
)
_OUTAGE = re.compile(
    r"\bconnection error\b|apiconnectionerror|failed to connect|cannot connect to|could not connect"
    r"|connection (?:refused|reset|timed out|aborted)|econnrefused|econnreset"
    r"|upstream connect|upstream_error|upstream error|no healthy upstream|bad gateway"
    r"|do_request_failed|bad_response_status_code|no_db_connection|no connected db"
    r"|service (?:temporarily )?unavailable|temporary failure in name resolution"
    r"|timed out|time-?out\b|\b50[234] from upstream",
    re.IGNORECASE,
)
_OUTAGE_OF_400 = re.compile(
    r"apiconnectionerror|no_db_connection|no connected db|\bconnection error\.?\s{0,4}$",
    re.IGNORECASE,
)
_OVERLOAD = re.compile(
    r"overloaded|no healthy deployments|server busy|queue is full|at capacity|capacity exceeded"
    r"|high demand|high traffic|负载已饱和",
    re.IGNORECASE,
)
_RELAYED_429 = re.compile(
    r"\bhttp(?: status)?(?: code)?:? ?429\b|\b429:? too many requests|\b(?:status|error) code:? 429"
    r"|\bratelimiterror\b|throttlingexception",
    re.IGNORECASE,
)
_AT_ONCE = re.compile(
    r"concurren|\bparallel\b|max_parallel_requests|simultaneous|in[- ]flight|request slot"
    r"|stream_cap|number of request connections|并发",
    re.IGNORECASE,
)
_ALL_BUSY = re.compile(r"\bmodel is overloaded\b", re.IGNORECASE)
"""What Hugging Face's server answers, with 429, to more requests at once than it may take."""
_AT_ONCE_TYPE = re.compile(r"parallel|concurren", re.IGNORECASE)
_LIMIT_TYPE = re.compile(r"\blimit type: ?(\w{1,40})", re.IGNORECASE)
_TYPE_HEADER = "rate_limit_type"
_ASKS_LESS = re.compile(
    r"no endpoints found that|\bparameters?\b|\btools?\b|tool_choice|\bfunctions?\b|response_format"
    r"|json_schema",
    re.IGNORECASE,
)
_PATH = re.compile(r"missing authentication token|api-version", re.IGNORECASE)
_TLS = re.compile(r"plain http request was sent to https", re.IGNORECASE)
_BROWSER = re.compile(r"\bjust a moment\b|attention required|enable javascript", re.IGNORECASE)


def is_context(words: str) -> bool:
    """Return whether the question does not fit the model."""
    return bool(_CONTEXT.search(words)) or any(
        (_QUESTION.search(said) and _TOO_LONG.search(said)) or _INPUT_TOKENS.search(said)
        for said in _SENTENCE_END.split(words)
    )


def is_too_large_to_process(words: str) -> bool:
    """Return whether a server broke over a question that is too long for it, as llama.cpp does."""
    return "too large to process" in words.lower()


def is_filter(words: str) -> bool:
    """Return whether a filter of contents stepped in."""
    return bool(_FILTER.search(words))


def is_outage(status: int, words: str) -> bool:
    """Return whether nobody is there behind a gateway that says something else by its status."""
    return bool((_OUTAGE if status >= 500 else _OUTAGE_OF_400).search(words))


def is_overload(words: str) -> bool:
    """Return whether the model, or what stands before it, has too much to do."""
    return bool(_OVERLOAD.search(words))


def relays_429(words: str) -> bool:
    """Return whether a gateway says in words that it was answered 429 itself."""
    return bool(_RELAYED_429.search(words))


def is_of_concurrency(status: int, words: str, headers: Mapping[str, str]) -> bool:
    """Return whether a refusal is about requests at once, and not about their rate.

    A gateway that names the type of the limit is believed: its other words may be about any limit.
    """
    named = headers.get(_TYPE_HEADER, "")[:64]
    if not named and (told := _LIMIT_TYPE.search(words)):
        named = told[1]
    if named:
        return bool(_AT_ONCE_TYPE.search(named))
    return bool(_AT_ONCE.search(words) or (status == 429 and _ALL_BUSY.search(words)))


def can_do_with_less(words: str) -> bool:
    """Return whether a 404 is about a part of the request, and not about its path."""
    return bool(_ASKS_LESS.search(words))


def is_of_the_path(words: str) -> bool:
    """Return whether the words of a refused key are about the path of the request."""
    return bool(_PATH.search(words))


def wants_tls(words: str) -> bool:
    """Return whether the server waits for TLS and was sent plain text."""
    return bool(_TLS.search(words))


def wants_a_browser(words: str) -> bool:
    """Return whether a page is one that only a browser gets past."""
    return bool(_BROWSER.search(words))
