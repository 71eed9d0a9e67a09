"""Refusals as servers word them, and what each of them is. The words are made up, the shapes are
those of servers in use.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One refusal: what a server sends, and what it is called."""

    name: str
    status: int
    body: Any
    kind: str
    """The class of the error, or the reason of a ProviderUnusable."""
    wait_s: float | None = None
    at_once: bool = False
    room: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": text} | more}


EMPTY, WRONG_KEY = "InsufficientQuota", "InvalidCredentials"
NO_MODEL, WRONG_ADDRESS = "ModelNotFound", "InvalidProvider"

MONEY = [
    Row("a budget a minute with its end", 400,
        said("Rate limit exceeded: tokens per minute budget reached. Try again in 12s"),
        "RateLimited", 12.0),
    Row("room for thoughts", 400, said("The thinking budget 8192 is over the maximum of 4096"),
        "RequestRejected"),
    Row("credit", 400, said("Your credit balance is too low for this."), EMPTY),
    Row("own limit", 400, said("You have reached your specified API usage limits. You will regain "
        "access on 2027-02-01 at 00:00 UTC."), EMPTY),
    Row("hard limit", 400, said("No more.", code="billing_hard_limit_reached"), EMPTY),
    Row("not active", 429, said("Your account is not active, see the billing page.",
        code="billing_not_active"), EMPTY),
    Row("quota without a time", 429, said("You exceeded your current quota.",
        code="insufficient_quota"), EMPTY),
    Row("payment", 402, said("Payment required to go on."), EMPTY),
    Row("402 alone", 402, {}, EMPTY),
    Row("good standing", 400, said("Please see that your account is in good standing.",
        type="Arrearage"), EMPTY),
    Row("overdue", 403, said("Denied because of an overdue account"), EMPTY),
    Row("free tier", 403, said("The free tier of the model has been exhausted.",
        code="AllocationQuota.FreeTierOnly"), EMPTY),
    Row("free quota", 429, said("Free allocated quota exceeded."), EMPTY),
    Row("Chinese", 429, said("账户已欠费", code="1113"), EMPTY),
    Row("number of an empty account", 429, said("[1113][no package][x]", code="1113"), EMPTY),
    Row("suspended", 429, said("Account a-1 is suspended due to insufficient balance, please "
        "recharge", type="exceeded_current_quota_error"), EMPTY),
    Row("text beside a sentence", 429, {"code": "A resource is exhausted", "error": "Your team has "
        "either used all available credits or reached its monthly spending limit."}, EMPTY),
    Row("no credits yet", 403, {"code": "permission-denied", "error": "Your new team doesn't have "
        "any credits or licenses yet."}, EMPTY),
    Row("412", 412, said("Account a is suspended, possibly due to reaching the monthly spending "
        "limit or failure to pay past invoices", code="PRECONDITION_FAILED"), EMPTY),
    Row("412 of a gateway", 412, said("Budget exhausted"), EMPTY),
    Row("422", 422, said("Budget of the key crossed", type="budget_exceeded"), EMPTY),
    Row("500", 500, said("Insufficient Balance"), EMPTY),
    Row("nested", 400, said('litellm.BadRequestError: XException - {"error":{"message":'
        '"Insufficient Balance"}}'), EMPTY),
    Row("over budget", 400, said("ExceededBudget: End User=u over budget. Spend=2, Budget=1"),
        EMPTY),
    Row("budget 429", 429, said("No deployments available - crossed budget: Exceeded budget for "
        "deployment"), EMPTY),
    Row("month", 429, {"message": "A trial key, which is limited to 1000 API calls / month."},
        EMPTY),
    Row("credits of the month", 402, {"error": "You have exceeded your monthly included credits."},
        EMPTY),
    Row("not in the free tier", 429, [said("You exceeded your current quota, check plan and "
        "billing. Quota exceeded for metric: free_requests, limit: 0, model: m. Please retry in "
        "10.6s.")], EMPTY),
    Row("depleted", 429, [said("Your prepayment credits are depleted.",
        status="RESOURCE_EXHAUSTED")], EMPTY),
    Row("instrument", 403, {"message": "Denied: INVALID_PAYMENT_INSTRUMENT: A valid one must be "
        "provided."}, EMPTY),
    Row("affords next to nothing", 402, said("This requires more credits, or fewer max_tokens. You "
        "requested up to 2048 tokens, but can only afford 12."), EMPTY),
    Row("prompt too dear", 402, said("Prompt tokens limit exceeded: 2307 > 91. Make a key with a "
        "higher monthly limit"), EMPTY),
    Row("key of a gateway", 403, said("Key limit exceeded (total limit). Manage it on the page."),
        EMPTY),
    Row("credits are needed", 402, said("Prepaid credits required"), EMPTY),
    Row("quota of a reseller", 403, said("user quota is not enough",
        code="insufficient_user_quota"), EMPTY),
    Row("arrears", 400, said("Stopped", code="ResourceUnavailable.InArrears"), EMPTY),
    Row("workspace", 400, said("You have reached your specified workspace API usage limits."),
        EMPTY),
    Row("limit of nothing", 429, [said("Quota exceeded for a metric.", details=[{"reason":
        "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit_value": "0"}}])], EMPTY),
    Row("quota, 403", 403, said("Quota exceeded. Take a larger plan."), EMPTY),
    Row("trial", 403, said("Trial expired."), EMPTY),
    Row("plain status in a 200", 200, {"status": "error", "message": "insufficient balance"},
        EMPTY),
    Row("in a 200", 200, {"choices": None, "base_resp": {"status_code": 1008, "status_msg":
        "insufficient balance"}}, EMPTY),
]  # fmt: skip

WAITS = [
    Row("minute in words of money", 429, [said("You exceeded your current quota, please check your "
        "plan and billing. Please retry in 34.07s.", status="RESOURCE_EXHAUSTED", details=[
            {"@type": "QuotaFailure", "violations": [{"quotaId": "RequestsPerMinute-FreeTier"}]},
            {"@type": "RetryInfo", "retryDelay": "34s"}])], "RateLimited", 34.07),
    Row("minute in the header", 429, said("You exceeded your current quota.",
        code="insufficient_quota"), "RateLimited", 7.0, headers={"retry-after": "7"}),
    Row("day of Google", 429, [said("You exceeded your current quota.", details=[
            {"violations": [{"quotaId": "RequestsPerDay"}, {"quotaId": "RequestsPerMinute"}]},
            {"retryDelay": "41s"}])], "RateLimited", 3600.0),
    Row("no details", 429, [said("Resource has been exhausted (e.g. check quota).")],
        "RateLimited"),
    Row("quota in a code", 429, {"message": "Requests per minute limit exceeded.", "param": "quota",
        "code": "request_quota_exceeded"}, "RateLimited"),
    Row("day without a time", 429, {"message": "Tokens per day limit exceeded."}, "RateLimited",
        3600.0),
    Row("day with a time", 429, said("Limit reached on tokens per day (TPD): Limit 100, Used 97, "
        "Requested 36. Please try again in 9m38.016s. Upgrade at https://x.invalid/billing"),
        "RateLimited", 578.016),
    Row("a day that is none", 429, said("Exceeded the token rate limit of your pricing tier. Please"
        " retry after 86400 seconds."), "RateLimited", 3600.0, headers={"retry-after": "86400"}),
    Row("volume", 403, {"statusCode": 403, "message": "Out of call volume quota. Quota will be "
        "replenished in 00:11:55."}, "RateLimited", 715.0),
    Row("volume in days", 403, {"message": "Out of call volume quota. Quota will be replenished in "
        "2.12:30:00."}, "RateLimited", 3600.0),
    Row("seconds in words", 429, {"statusCode": 429, "message": "Rate limit is exceeded. Try again "
        "in 23 seconds."}, "RateLimited", 23.0),
    Row("wait in words", 429, said("15 per 60s exceeded. Please wait 37 seconds before retrying."),
        "RateLimited", 37.0),
    Row("milliseconds", 429, said("Please try again in 644ms."), "RateLimited", 0.644),
    Row("field", 429, {"error": "slow down", "retry_after": 25}, "RateLimited", 25.0),
    Row("problem details", 429, {"title": "Error 1015", "detail": "You are being limited",
        "status": 429, "retry_after": 30}, "RateLimited", 30.0),
    Row("loading", 503, {"error": "Model is loading", "estimated_time": 20.0},
        "ProviderOverloaded", 20.0),
    Row("headers of another server", 429, said("Limit: free-models-per-day. Add 10 credits to get "
        "1000", code=429, metadata={"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset":
        "1767268830000"}}), "RateLimited", 30.0),
    Row("until a moment", 429, said("使用上限。您的限额将在 2026-01-01 12:00:44 重置。",
        code="1308"), "RateLimited", 44.0),
    Row("cooldown", 429, said("No deployments available for selected model, Try again in 5 "
        "seconds. cooldown_list=[...]"), "RateLimited", 5.0),
    Row("still reckoned", 402, said("A prior charge is still being reconciled. Please retry "
        "shortly.", code="credit_unresolved"), "RateLimited"),
    Row("dressed as 500", 500, said('X API error: HTTP 429 - {"error":"Rate limit exceeded"}',
        type="server_error"), "RateLimited"),
    Row("in a 200", 200, said("Provider returned error", code=429, metadata={"raw": "m is limited "
        "upstream"}), "RateLimited"),
    Row("daily, in a 200", 200, {"error_code": 17, "error_msg": "Api daily request limit reached"},
        "RateLimited", 3600.0),
    Row("header in words", 429, said("Slow down. Retry-After: 30"), "RateLimited", 30.0),
    Row("hours in words", 429, said("The limit resets in 1h2m3s."), "RateLimited", 3600.0),
    Row("400", 400, {"__type": "ThrottlingException", "message": "Rate exceeded"}, "RateLimited"),
    Row("403", 403, said("Rate limit exceeded", code="rateLimitExceeded"), "RateLimited"),
    Row("header of the provider", 429, said("litellm.RateLimitError"), "RateLimited", 12.0,
        headers={"llm_provider-retry-after": "12"}),
    Row("tomorrow", 429, said("Quota exceeded, come back tomorrow"), "RateLimited", 3600.0),
    Row("seconds in details", 429, said("Limited", details={"retryAfterSeconds": 12}),
        "RateLimited", 12.0),
    Row("page", 429, "<html><head><title>429 Too Many Requests</title></head></html>",
        "RateLimited"),
    Row("list of errors", 429, {"success": False, "error": [{"code": 2003, "message": "Limited"}]},
        "RateLimited"),
    Row("gateway", 429, {"message": "API rate limit exceeded"}, "RateLimited", 23.0,
        headers={"ratelimit-reset": "23", "ratelimit-remaining": "0"}),
]  # fmt: skip

AT_ONCE = [
    Row("header", 429, said("Limit exceeded for key"), "RateLimited", 60.0, at_once=True,
        headers={"retry-after": "60", "rate_limit_type": "max_parallel_requests"}),
    Row("type", 429, said("Limit exceeded. Limit type: max_parallel_requests. Current limit: 2"),
        "RateLimited", at_once=True),
    Row("another type", 429, said("max_parallel_requests limit reached. Limit type: tokens. "
        "Current limit: 2"), "RateLimited"),
    Row("high concurrency", 429, said("High concurrency of this API, please reduce it",
        code="1302"), "RateLimited", at_once=True),
    Row("Chinese", 429, said("当前并发数过高"), "RateLimited", at_once=True),
    Row("organisation", 429, said("reached max organization concurrency: 1, please try again after "
        "1 seconds"), "RateLimited", 1.0, at_once=True),
    Row("connections", 429, said("Number of concurrent connections has exceeded your limit."),
        "RateLimited", at_once=True),
    Row("slot", 503, {"error": "timed out waiting for a concurrent request slot"}, "RateLimited",
        at_once=True),
    Row("overloaded", 429, {"error": "Model is overloaded", "error_type": "overloaded"},
        "RateLimited", at_once=True),
]  # fmt: skip

ACCESS = [
    Row("organisation, 400", 400, said("This organization has been disabled."), WRONG_KEY),
    Row("organisation, 403", 403, said("This organization has been disabled."), WRONG_KEY),
    Row("closed, 429", 429, said("Your account has been suspended."), WRONG_KEY),
    Row("locked", 403, said("Your account has been locked."), WRONG_KEY),
    Row("token", 200, {"error_code": 110, "error_msg": "Access token invalid or no longer valid"},
        WRONG_KEY),
    Row("service", 403, [said("The API has not been used in project 1 before or it is disabled.",
        status="PERMISSION_DENIED")], WRONG_KEY),
    Row("expired, 400", 400, [said("API key expired. Please renew the API key.", details=[{
        "reason": "API_KEY_INVALID"}])], WRONG_KEY),
    Row("restricted", 400, said("Organization was restricted. Ask support.",
        code="organization_restricted"), WRONG_KEY),
    Row("terminated", 403, said("Access terminated.", type="access_terminated_error"), WRONG_KEY),
    Row("place", 400, [said("User location is not supported for the API use.",
        status="FAILED_PRECONDITION")], WRONG_KEY),
    Row("project", 403, [said("Your project has been denied access.")], WRONG_KEY),
    Row("leaked", 403, [said("Your API key was reported as leaked.")], WRONG_KEY),
    Row("expired", 401, said("Authentication Error - Expired Key.", type="expired_key"), WRONG_KEY),
    Row("firewall", 403, said("Denied by Virtual Network/Firewall rules."), WRONG_KEY),
    Row("mesh", 403, "RBAC: access denied", WRONG_KEY),
    Row("page", 401, "<html><head><title>401 Authorization Required</title></head></html>",
        WRONG_KEY),
    Row("list", 401, {"success": False, "errors": [{"code": 2009, "message": "Unauthorized"}]},
        WRONG_KEY),
    Row("in a 200", 200, {"code": 401, "msg": "令牌已过期", "success": False}, WRONG_KEY),
    Row("model of others", 403, said("key not allowed to access model. It can only access models="
        "['a']", type="key_model_access_denied"), NO_MODEL),
    Row("no access to a model", 403, {"message": "You don't have access to the model with this "
        "ID."}, NO_MODEL),
    Row("legacy", 404, {"message": "Access denied. This Model is marked by provider as Legacy."},
        NO_MODEL),
    Row("profile", 400, {"message": "on-demand throughput isn't supported. Retry with an inference "
        "profile."}, NO_MODEL),
    Row("another API", 404, said("This model is only supported in v1/responses and not here.",
        type="invalid_request_error", param="model"), NO_MODEL),
    Row("verified", 404, said("Your organization must be verified to use the model `m`.",
        code="model_not_found"), NO_MODEL),
    Row("no endpoints", 404, said("No endpoints found for a/m."), NO_MODEL),
    Row("data policy", 404, said("No endpoints found matching your data policy."), NO_MODEL),
    Row("decommissioned", 400, said("The model `m` has been decommissioned.",
        code="model_decommissioned"), NO_MODEL),
    Row("no chat", 404, said("This is not a chat model and thus not supported here."), NO_MODEL),
    Row("provider of a model", 400, said("LLM Provider NOT provided. You passed model=m"),
        NO_MODEL),
    Row("guardrail", 446, said("The guardrail checks failed.", type="hooks_failed"),
        "AnswerRefused"),
    Row("safety", 400, said("Your request was rejected by our safety system."), "AnswerRefused"),
    Row("inspection", 400, said("Input may have inappropriate content.",
        code="data_inspection_failed"), "AnswerRefused"),
    Row("moderation", 403, said("Your input was flagged by moderation"), "AnswerRefused"),
]  # fmt: skip

ADDRESS = [
    Row("challenge", 403, "<!DOCTYPE html><title>Just a moment...</title>", WRONG_ADDRESS),
    Row("challenge by header", 503, "<html>x</html>", WRONG_ADDRESS,
        headers={"cf-mitigated": "challenge"}),
    Row("TLS", 400, "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
        WRONG_ADDRESS),
    Row("no route", 404, "", WRONG_ADDRESS),
    Row("page of 404", 404, "\ufeff\n<!-- x -->\n<HTML><h1>No such page</h1></HTML>",
        WRONG_ADDRESS),
    Row("not found in a 200", 200, {"detail": "Not Found"}, WRONG_ADDRESS),
    Row("unknown path", 403, {"message": "Missing Authentication Token"}, WRONG_ADDRESS),
    Row("a part that is refused", 404, said("No endpoints found that can handle the requested "
        "parameters.", code=404), "RequestRejected"),
    Row("a choice that is refused", 404, said("No endpoints found that support the provided "
        "'tool_choice' value.", type="not_found_error"), "RequestRejected"),
]  # fmt: skip

PASSING = [
    *(Row(f"{status}", status, "<html><head><title>host | out of order</title></head></html>",
          "ProviderUnavailable")
      for status in (409, 421, 423, 424, 425, 460, 499, 502, 504, 507, 508, 509,
                     *range(520, 529), 530, 561, 598, 599)),
    Row("503", 503, "<html><body><h1>503 Service Unavailable</h1>No server.</body></html>",
        "ProviderOverloaded"),
    Row("529", 529, said("Overloaded", type="overloaded_error"), "ProviderOverloaded"),
    Row("408", 408, "<html><h1>408 Request Time-out</h1></html>", "InferenceTimeout"),
    Row("413", 413, "<html><title>413 Request Entity Too Large</title></html>", "ContextTooLong"),
    Row("501", 501, "", "RequestRejected"),
    Row("505", 505, "", "RequestRejected"),
    Row("outage told as 500", 500, said("litellm.InternalServerError: XException - Connection "
        "error.", type="internal_server_error"), "ProviderUnavailable"),
    Row("outage told as 400", 400, said("litellm.APIConnectionError: XException - refused"),
        "ProviderUnavailable"),
    Row("no database", 500, said("Authentication Error, No connected db.", type="no_db_connection"),
        "ProviderUnavailable"),
    Row("no database, 401", 401, said("Authentication Error, No connected db."),
        "ProviderUnavailable"),
    Row("timeout told as 500", 500, "upstream request timeout", "ProviderUnavailable"),
    Row("message in a 200", 200, {"message": "Service Unavailable"}, "ProviderOverloaded"),
    Row("nobody behind it", 500, "no healthy upstream", "ProviderUnavailable"),
    Row("outage in a 200", 200, said("Provider returned error", code=502), "ProviderUnavailable"),
    Row("name in a 200", 200, {"type": "error", "error": {"type": "overloaded_error",
        "message": "Overloaded"}}, "ProviderOverloaded"),
    Row("saturated", 500, said("当前分组上游负载已饱和，请稍后再试"), "ProviderOverloaded"),
    Row("no deployments", 400, said("There are no healthy deployments for this model"),
        "ProviderOverloaded"),
    Row("broke", 500, said("The server had an error while processing your request."),
        "ProviderFailed"),
    Row("errors in a 200", 200, {"errors": [{"message": "m"}], "success": False},
        "ProviderFailed"),
    Row("fault", 504, {"fault": {"faultstring": "Gateway Timeout", "detail": {"errorcode": "x"}}},
        "ProviderUnavailable"),
]  # fmt: skip

ROOM = [
    Row("context", 400, {"message": "'max_tokens' or 'max_completion_tokens' is too large: 8192. "
        "This model's maximum context length is 8192 tokens and your request has 4500 input tokens "
        "(8192 > 8192 - 4500)."}, "RoomRefused", room=3692),
    Row("context of two parts", 400, said("This model's maximum context length is 8192 tokens. "
        "However, you requested 10240 tokens (2240 in the messages, 8000 in the completion)."),
        "RoomRefused", room=5952),
    Row("sum", 400, said("input length and `max_tokens` exceed context limit: 195000 + 8192 > "
        "200000, decrease one of them"), "RoomRefused", room=5000),
    Row("model's own", 400, said("max_tokens: 8192 > 4096, which is the maximum allowed number of "
        "output tokens for m"), "RoomRefused", room=4096),
    Row("at most", 400, said("max_tokens is too large: 8192. This model supports at most 4096 "
        "completion tokens, whereas you provided 8192."), "RoomRefused", room=4096),
    Row("less or equal", 400, said("max_tokens must be less than or equal to 4096"), "RoomRefused",
        room=4096),
    Row("range in brackets", 400, said("Range of max_tokens should be [1, 8192]"), "RoomRefused",
        room=8192),
    Row("range in words", 400, said("a maxOutputTokens value of 100000 but the supported range is "
        "from 1 (inclusive) to 65537 (exclusive)"), "RoomRefused", room=65536),
    Row("lower than", 400, said("The maximum tokens you requested exceed the model limit of 4096. "
        "Try again with a maximum tokens value lower than 4096"), "RoomRefused", room=4095),
    Row("left", 400, said("max_tokens: there are only 700 tokens left"), "RoomRefused", room=700),
    Row("inputs and more", 422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. "
        "Given: 3000 `inputs` tokens and 2048 `max_new_tokens`"}, "RoomRefused", room=1096),
    Row("inputs alone", 422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. "
        "Given: 5000 `inputs` tokens and 2048 `max_new_tokens`"}, "ContextTooLong"),
    Row("no number", 400, said("max_tokens: too many"), "RoomRefused"),
    Row("affordable", 402, said("This requires more credits, or fewer max_tokens. You requested up "
        "to 2048 tokens, but can only afford 1500."), "RoomRefused", room=1500),
    Row("prompt that can be cut", 402, said("Prompt tokens limit exceeded: 2307 > 1914."),
        "ContextTooLong"),
    Row("question too long", 400, said("This model's maximum context length is 8192 tokens",
        code="context_length_exceeded"), "ContextTooLong"),
    Row("another name", 400, said("Unsupported parameter: 'max_tokens' is not supported"),
        "RequestRejected"),
    Row("more of it", 400, said("Could not finish the message because max_tokens was reached. "
        "Please try again with higher max_tokens."), "RequestRejected"),
    Row("too large to process", 500, said("input is too large to process. increase the size"),
        "ContextTooLong"),
    Row("minute too small", 413, said("Request too large for m on tokens per minute (TPM): Limit "
        "6000, Requested 6294"), "ContextTooLong"),
    Row("plain", 412, said("Precondition", code="PRECONDITION_FAILED"), "RequestRejected"),
    Row("parts", 422, {"detail": [{"loc": ["body", "x"], "msg": "Field required"}]},
        "RequestRejected"),
]  # fmt: skip

ROWS = [row for table in (MONEY, WAITS, AT_ONCE, ACCESS, ADDRESS, PASSING, ROOM) for row in table]
