"""Servers that nobody can run here, each as its documentation describes it.

A stub is a function from a request to an answer. What goes wrong there is a `Reply` that takes the
place of each answer to a question.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.modelserver.answers import rendered, right
from tests.servers.exchanges import Asked, Handle, Json, Told, told_json

Refusal = Callable[[Json], Told | None]
"""From the body of a question to what the server refuses in it."""


def answer_to(asked: Asked) -> str:
    """Return the right answer to a question, for the CRD that it is about."""
    text = json.dumps(asked.body["messages"])
    named = re.search(r"thing\d+s\.[a-z0-9.]+", text)
    return rendered(right(named[0] if named else "things.example.com", "Thing"))


def completion(content: str, **message: object) -> Told:
    """An answer in the shape of chat completions."""
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": content} | message,
    }
    usage = {"prompt_tokens": 900, "completion_tokens": 120, "total_tokens": 1020}
    return told_json(
        {"id": "c-1", "object": "chat.completion", "choices": [choice], "usage": usage}
    )


@dataclass(frozen=True)
class Stub:
    """One server: its paths, its models, the key that it takes, and what it refuses."""

    base: str
    """The path of baseURL."""
    model: str
    listed: Sequence[str]
    """What GET /models says."""
    bad_key: Told
    no_model: Told
    no_card: Told | None = None
    """What GET /models/NAME answers; None: 200."""
    refuses: Refusal = lambda _: None
    says: Callable[[str], Told] = completion
    key: str = "sk-right"
    no_path: Told = field(default_factory=lambda: told_json({"detail": "Not Found"}, 404))

    def handle(self, instead: Told | None = None) -> Handle:
        """Return the server, which may say something else in the place of each answer."""

        def handle(asked: Asked) -> Told:
            if self.key and asked.headers.get("authorization") != f"Bearer {self.key}":
                return self.bad_key
            if not asked.path.startswith(f"{self.base}/"):
                return self.no_path
            path = asked.path.removeprefix(self.base)
            if path == "/models":
                listed = [{"id": name, "object": "model"} for name in self.listed]
                return told_json({"object": "list", "data": listed})
            if path.startswith("/models/"):
                return self.no_card or told_json({"id": self.model, "object": "model"})
            return self._asked(asked, instead) if path == "/chat/completions" else self.no_path

        return handle

    def _asked(self, asked: Asked, instead: Told | None) -> Told:
        if asked.body["model"] != self.model:
            return self.no_model
        if (refused := self.refuses(asked.body)) is not None:
            return refused
        return instead or self.says(answer_to(asked))


def error(message: str, status: int, **more: object) -> Told:
    """An error in OpenAI's shape."""
    return told_json({"error": {"message": message} | more}, status)


def _azure(body: Json) -> Told | None:
    if "max_tokens" not in body:
        return None
    return error(
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead.",
        400,
        type="invalid_request_error",
        param="max_tokens",
        code="unsupported_parameter",
    )


AZURE = Stub(
    base="/openai/v1",
    model="team-deployment",
    listed=("gpt-4.1-2025-04-14", "gpt-5-mini-2025-08-07"),
    bad_key=error(
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide "
        "a valid key for an active subscription and use a correct regional API endpoint for your "
        "resource.",
        401,
        code="401",
    ),
    no_model=error(
        "The API deployment for this resource does not exist. If you created the deployment within "
        "the last 5 minutes, please wait a moment and try again.",
        404,
        code="DeploymentNotFound",
    ),
    no_card=error("Resource not found", 404, code="404"),
    refuses=_azure,
)

GEMINI = Stub(
    base="/v1beta/openai",
    model="gemini-2.5-flash",
    listed=("models/gemini-2.5-flash", "models/gemini-2.5-pro"),
    bad_key=told_json(
        [
            {
                "error": {
                    "code": 400,
                    "message": "API key not valid. Please pass a valid API key.",
                    "status": "INVALID_ARGUMENT",
                    "details": [
                        {
                            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                            "reason": "API_KEY_INVALID",
                            "domain": "googleapis.com",
                        }
                    ],
                }
            }
        ],
        400,
    ),
    no_model=told_json(
        [
            {
                "error": {
                    "code": 404,
                    "message": "models/gemini-0 is not found for API version v1main, or is not "
                    "supported for generateContent. Call ListModels to see the list of available "
                    "models and their supported methods.",
                    "status": "NOT_FOUND",
                }
            }
        ],
        404,
    ),
    no_card=told_json({"error": {"code": 404, "message": "", "status": "NOT_FOUND"}}, 404),
)


def _no_system_role(body: Json) -> Told | None:
    if body["messages"][0]["role"] != "system":
        return None
    refused = {"message": "System role not supported", "type": "BadRequestError", "code": 400}
    return told_json({"error": refused | {"param": None}}, 400)


VLLM = Stub(
    base="/v1",
    model="google/gemma-2-9b-it",
    listed=("google/gemma-2-9b-it",),
    bad_key=told_json({"error": "Unauthorized"}, 401),
    no_model=error(
        "The model `another` does not exist.", 404, type="NotFoundError", param="model", code=404
    ),
    no_card=told_json({"detail": "Not Found"}, 404),
    refuses=_no_system_role,
)

OLLAMA = Stub(
    base="/v1",
    model="qwen3:8b",
    listed=("qwen3:8b",),
    bad_key=error("unauthorized", 401),
    no_model=error(
        'model "another" not found, try pulling it first', 404, type="not_found_error", code=None
    ),
    key="",
    says=lambda answer: completion(answer, reasoning="Let me think about what this CRD is for."),
)


def _no_schema(body: Json) -> Told | None:
    if "response_format" not in body:
        return None
    return error(
        "No endpoints found that can handle the requested parameters. To learn more about provider "
        "routing, see the documentation.",
        404,
        code=404,
    )


OPENROUTER = Stub(
    base="/api/v1",
    model="vendor/small-model",
    listed=("vendor/small-model", "vendor/large-model"),
    bad_key=error("User not found.", 401, code=401),
    no_model=error("another is not a valid model ID", 400, code=400),
    no_card=error("Not Found", 404, code=404),
    refuses=_no_schema,
)

STUBS = {
    "azure": AZURE,
    "gemini": GEMINI,
    "vllm-gemma": VLLM,
    "ollama": OLLAMA,
    "openrouter": OPENROUTER,
}
