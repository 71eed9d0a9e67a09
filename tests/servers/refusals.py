"""What the servers of stubs.py say in the place of an answer, and which reason is true then."""

from dataclasses import dataclass

from tests.servers.exchanges import Json, Told, told_json
from tests.servers.stubs import error

WAITS = ""
"""The scan waits by itself, and no CRD fails."""
ANY = "*"
"""No single reason is certain: the words have to do."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer to each question."""

    server: str
    what: str
    told: Told
    reason: str

    def __str__(self) -> str:
        return f"{self.server}: {self.what}"


def google(code: int, status: str, message: str, *details: Json) -> Told:
    """An error in Google's shape: a list with one object."""
    said = {"code": code, "message": message, "status": status, "details": list(details)}
    return told_json([{"error": said}], code)


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}

ENDED_IN_ERROR = {
    "index": 0,
    "finish_reason": "error",
    "error": {"code": 502, "message": "Provider disconnected"},
    "message": {"role": "assistant", "content": '{"capabilities": ["Half'},
}

REFUSALS = [
    Refusal(
        "azure",
        "a minute's tokens are used up",
        told_json(
            {
                "error": {
                    "code": "429",
                    "message": "Requests to the ChatCompletions_Create Operation under Azure "
                    "OpenAI API have exceeded token rate limit of your current S0 pricing tier. "
                    "Please retry after 30 seconds.",
                }
            },
            429,
            retry_after="30",
        ),
        WAITS,
    ),
    Refusal(
        "azure",
        "the network is closed",
        error("Access denied due to Virtual Network/Firewall rules.", 403, code="AccessDenied"),
        ANY,
    ),
    Refusal(
        "gemini",
        "a minute's requests are used up",
        google(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan and billing details. * Quota "
            "exceeded for metric: generate_content_free_tier_requests, limit: 10. Please retry in "
            "34.07s.",
            RETRY_INFO,
        ),
        WAITS,
    ),
    Refusal(
        "gemini",
        "from a country that is not served",
        google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        ANY,
    ),
    Refusal(
        "vllm-gemma",
        "a context that is too short",
        error(
            "This model's maximum context length is 512 tokens. However, you requested 2948 tokens "
            "(900 in the messages, 2048 in the completion). Please reduce the length of the "
            "messages or completion.",
            400,
            type="BadRequestError",
            param=None,
            code=400,
        ),
        "ContextTooLong",
    ),
    Refusal(
        "ollama",
        "too many are waiting",
        error("server busy, please try again. maximum pending requests exceeded", 503),
        WAITS,
    ),
    Refusal(
        "ollama",
        "not enough memory",
        error(
            "model requires more system memory (9.1 GiB) than is available (5.2 GiB)",
            500,
            type="api_error",
        ),
        ANY,
    ),
    Refusal(
        "openrouter",
        "no credits",
        error("Insufficient credits. Add more using the settings.", 402, code=402),
        "InsufficientQuota",
    ),
    Refusal(
        "openrouter",
        "a choice that ended in error",
        told_json({"choices": [ENDED_IN_ERROR]}),
        WAITS,
    ),
    Refusal(
        "openrouter",
        "nobody agrees with the data policy",
        error("No endpoints found matching your data policy.", 404, code=404),
        "ModelNotFound",
    ),
]
