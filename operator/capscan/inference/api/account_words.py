"""Finds in the words of a refusal what it says of the account: money, access, the key, the model.

Providers use nearly every status for each of these, so the words decide. Two words that belong
together are looked for in one sentence, each with a pattern of its own: a pattern that spans both
would take a time that grows with the square of the text. No pattern here has a repetition of
unbounded length.
"""

import re
from collections.abc import Iterable

SHORT_CHARS_MAX = 2_000
"""A refusal that is longer quotes the question, which may speak of anything that is disabled."""

_SENTENCE_END = re.compile(r"[.!?;。！？] |[\n。！？]|\.$")


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


_MONEY = _words(
    r"credit balance is too low", r"insufficient[ _](?:balance|funds?|credits?)\b",
    r"reached your specified (?:\w{1,20} )?api usage limits", r"billing[ _]hard[ _]limit",
    r"billing_not_active", r"billing_error", r"issue with your billing", r"arrears?\b|arrearage\b",
    r"overdue",
    r"\bunpaid\b", r"past[ -]due\b", r"account is in good standing", r"payment[ _]required",
    r"payment[ _]instrument", r"fail(?:ed|ure) to pay", r"exceeded_current_quota_error",
    r"budget_exceeded", r"exceededbudget", r"crossed[ _]budget", r"freetieronly",
    r"not[ _]enough[ _]balance", r"key limit exceeded", r"insufficient_user_quota",
    r"quota is not enough", r"payment method", r"\btrial (?:has )?expired",
    r"\bsubscription (?:has )?expired",
    r"余额不足", r"额度不足", r"额度已用", r"欠费", r"请充值",
    r"\blimit: 0(?!\d|\.\d)",
)  # fmt: skip
"""Words that speak of money, and that no waiting changes."""
_MONEY_PAIRS = (
    (_words(r"\bcredits?\b"),
     _words(r"\btoo low\b", r"\bused (?:up|all)\b", r"\ball available\b", r"\bdeplet", r"\bran out",
            r"\brun out", r"\bout of\b", r"\bdoesn'?t have\b", r"\bdo(?:es)? not have\b",
            r"\bno (?:\w{1,20} )?credits?\b", r"\bnot enough\b", r"\binsufficient\b",
            r"\bexhausted\b", r"\brequires more\b", r"\brequired\b", r"\bexceeded\b",
            r"\bcredit limit\b")),
    (_words(r"\bbalance\b"),
     _words(r"\btoo low\b", r"\bnot enough\b", r"\binsufficient\b", r"\bexhausted\b",
            r"\bnegative\b", r"\brecharge\b", r"\btop up\b")),
    (_words(r"\b(?:spend(?:ing)?|billing)[ _](?:limit|cap)\b"),
     _words(r"\breached\b", r"\breaching\b", r"\bexceed", r"\bhit\b")),
    (_words(r"(?<!\bthinking )(?<!\breasoning )\bbudget\b(?!_tokens)"),
     _words(r"\bexceed", r"\bexhausted\b", r"\bcrossed\b", r"\bover\b", r"\bused up\b",
            r"\breached\b")),
    (_words(r"\bfree tier\b", r"\bfree\b", r"\bfree_tier\b"),
     _words(r"\btier\b[^.]{0,40}\bexhausted\b", r"\ballocated quota exceeded\b")),
    (_words(r"/ ?month\b", r"\bper month\b", r"\bmonthly\b"),
     _words(r"\blimited to\b", r"\bexceeded\b", r"\breached\b", r"\bused\b", r"\bexhausted\b")),
    (_words(r"\baccount\b"), _words(r"\bnot active\b[^.]{0,60}\bbilling\b")),
)  # fmt: skip
_MONEY_CODES = frozenset({"1112", "1113", "1008"})
"""Numbers that Zhipu and MiniMax give an empty account."""
_QUOTA = _words(r"insufficient_quota", r"exceeded your current quota")
"""Words for an empty account, which some providers use for a limit per minute as well: nothing is
proven where the provider says when to come back."""
_USED_UP = (
    (_words(r"\bquota\b"),
     _words(r"\bexceed", r"\bexhausted\b", r"\breached\b", r"\bused up\b", r"\bout of\b")),
)  # fmt: skip
_LIMIT = _words(
    r"\bquota\b", r"rate[ _-]?limit", r"\blimit\b", r"\bthrottl", r"too many requests",
    r"\breconcil", r"\bretry\b",
)  # fmt: skip
_RATE = _words(
    r"rate[ _-]?limit(?:ed|s)?(?: was| is)? exceeded", r"ratelimitexceeded", r"rate_limit_exceeded",
    r"too many requests", r"throttl", r"\brate exceeded\b",
)  # fmt: skip
_CLOSED = _words(r"\bsuspended\b", r"\bdeactivated\b", r"\bterminated\b", r"\bdisabled\b")
_DAY = _words(
    r"\bper[ _-]?day\b", r"\bdaily\b", r"\btpd\b", r"\brpd\b", r"perday", r"byday\b", r"/ ?day\b",
    r"\bper 86400", r"\bweekly\b", r"\bper week\b", r"\btomorrow\b", r"每日",
    r"每天", r"小时的使用上限",
)  # fmt: skip
_SHORTLY = _words(r"\bretry shortly\b", r"\btry again\b", r"\bretry later\b", r"\bretry in\b")

_HOLDER = _words(
    r"organi[sz]ation", r"\baccount\b", r"\bproject\b", r"\bteam\b", r"\bworkspace\b",
    r"\bcountry\b", r"\bregion\b", r"\bterritory\b", r"\blocation\b", r"\byour ip\b", r"\bip_",
    r"\baccess\b", r"\btenant\b", r"\bsubscription\b",
)  # fmt: skip
_SHUT = _words(
    r"\bdisabled\b", r"\bdeactivated\b", r"\brestricted\b", r"\bterminated\b", r"\bsuspended\b",
    r"\bdenied access\b", r"\bbanned\b", r"\bblocked\b", r"\bnot supported\b", r"\bnot_supported\b",
    r"\bnot authorized\b", r"\bnot_authorized\b", r"\bnot active\b", r"\blocked\b",
    r"unsupported_country", r"_deactivated\b", r"_restricted\b", r"_terminated\b",
)  # fmt: skip
_SHUT_NOT = _words(r"\bmodel\b", r"\bparameter\b", r"\bfeature\b", r"\btool", r"\bcaching\b")
"""Of these a sentence speaks that shuts nobody out as a whole."""

_KEY = _words(
    r"api[ _-]?key", r"\bbearer\b", r"\btoken\b[^.]{0,30}\b(?:expired|invalid)\b",
    r"invalid[ _]x-api-key", r"\bcredentials?\b", r"subscription key", r"authentication",
    r"令牌",
)  # fmt: skip
_KEY_REFUSED = _words(
    r"api[ _]key not valid", r"api_key_invalid", r"invalid api[ _-]?key", r"key was reported",
    r"invalid_api_key", r"expired[ _](?:api[ _])?key", r"api[ _]key (?:has )?expired",
    r"no api key found",
    r"access token (?:is )?(?:invalid|expired)",
)  # fmt: skip

_MODEL = _words(
    r"model_not_found", r"deploymentnotfound", r"invalid model\b", r"not a valid model",
    r"unknown model", r"not_found_error\s{1,4}model:", r"key_model_access_denied",
    r"only supported in v1/", r"inference profile", r"on-demand throughput",
    r"must be verified to use the model", r"no endpoints found (?:for|matching)\b",
    r"not a chat model", r"not supported in the v1/", r"responses api",
    r"does not support chat\b", r"model_not_supported", r"model_not_available",
    r"model_decommissioned", r"llm provider not provided", r"no models? loaded",
)  # fmt: skip
_MODEL_PAIRS = (
    (_words(r"\bmodels?\b"),
     _words(r"\bnot found\b", r"\bnot exist\b", r"marked by provider as legacy",
            r"\bdecommissioned\b", r"\bno longer (?:supported|available)\b",
            r"\bhas been (?:deprecated|retired|removed)\b", r"\bunable to access\b",
            r"(?:\bno|\bnot have|n't have|\bnot allowed to) access\b")),
    (_words(r"\bdeployment\b"), _words(r"\bnot exist\b")),
)  # fmt: skip


def is_money(words: str, codes: str = "") -> bool:
    """Return whether the account has nothing left to spend, which no waiting changes."""
    return not _MONEY_CODES.isdisjoint(codes.split()) or bool(_MONEY.search(words))


def is_about_money(words: str) -> bool:
    """Return whether the words say the same in a freer way, which a question that a server quotes
    may do as well.
    """
    return _paired(words, _MONEY_PAIRS)


def is_quota(words: str) -> bool:
    """Return whether the words are those of an empty account, where no wait is told."""
    return bool(_QUOTA.search(words))


def is_used_up(words: str) -> bool:
    """Return whether a quota of any kind is used up."""
    return _paired(words, _USED_UP)


def is_limit(words: str) -> bool:
    """Return whether the words speak of a limit of any kind."""
    return bool(_LIMIT.search(words))


def is_rate(words: str) -> bool:
    """Return whether the words say that requests come too fast, whatever the status says."""
    return bool(_RATE.search(words))


def is_closed(words: str) -> bool:
    """Return whether an account is closed for good, which is told as a limit, too."""
    return is_shut_out(words) and bool(_CLOSED.search(words))


def is_of_a_day(words: str) -> bool:
    """Return whether a limit that is used up is one of a whole day."""
    return bool(_DAY.search(words))


def is_asked_to_retry(words: str) -> bool:
    """Return whether the words ask to try again, be it without a time."""
    return bool(_SHORTLY.search(words))


def is_shut_out(words: str) -> bool:
    """Return whether everybody of an organisation, a project or a place is turned away."""
    return len(words) <= SHORT_CHARS_MAX and any(
        _HOLDER.search(said) and _SHUT.search(said) and not _SHUT_NOT.search(said)
        for said in _sentences(words)
    )


def speaks_of_the_key(words: str) -> bool:
    """Return whether the words speak of the API key."""
    return bool(_KEY.search(words))


def refuses_the_key(words: str) -> bool:
    """Return whether the words say, under any status, that the API key is wrong."""
    return bool(_KEY_REFUSED.search(words))


def is_no_model(words: str) -> bool:
    """Return whether there is no such model, or none that the account may use."""
    return bool(_MODEL.search(words)) or _paired(words, _MODEL_PAIRS)


def _paired(words: str, pairs: Iterable[tuple[re.Pattern[str], re.Pattern[str]]]) -> bool:
    said = list(_sentences(words))
    return any(a.search(each) and b.search(each) for a, b in pairs for each in said)


def _sentences(words: str) -> Iterable[str]:
    return _SENTENCE_END.split(words)
