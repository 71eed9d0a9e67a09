"""The network of a ModelApi in a test: replies from a script, requests kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio.lowlevel
import httpx2

from capscan.core.answer.prompt import Prompt, first_prompt
from capscan.model.completion import ObservedLimit, ObservedLimits
from capscan.model.provider import ProviderSpec

PROMPT: Prompt = first_prompt("kind: Widget")
KEY = "sk-very-secret-key"
ANSWER = {
    "capabilities": ["Make widgets"],
    "providers": [],
    "abstractions": ["widget"],
    "complexity": "low",
    "description": "A widget.",
    "useCase": "When one needs a widget.",
    "confidence": 0.5,
}


def spec(protocol: str = "OpenAI", **options: Any) -> ProviderSpec:
    given = {"protocol": protocol, "model": "model-1", "baseURL": "https://models.example.com/v1"}
    return ProviderSpec.model_validate(given | options)


def read_limits(headers: Mapping[str, str]) -> tuple[ObservedLimits | None, float | None]:
    """Read two headers, which is enough to see that they are read."""
    remaining, wait = headers.get("x-remaining"), headers.get("retry-after")
    seen = ObservedLimit(remaining=int(remaining)) if remaining else None
    return (ObservedLimits(requests=seen) if seen else None), float(wait) if wait else None


def reply(status: int = 200, body: Any = None, **headers: str) -> httpx2.Response:
    """Return a response with JSON, or with text as it is."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, str):
        return httpx2.Response(status, text=body, headers=named)
    return httpx2.Response(status, json=body, headers=named)


@dataclass
class Wire:
    """Answers with `script` in order, with the last of it for ever."""

    script: list[httpx2.Response]
    requests: list[httpx2.Request] = field(default_factory=list)

    @property
    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self._answer)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests]

    @property
    def asked(self) -> list[str]:
        return [f"{r.method} {r.url.raw_path.decode()}" for r in self.requests]

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        await anyio.lowlevel.checkpoint()  # as a network would, it lets others send meanwhile
        given = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return httpx2.Response(given.status_code, headers=given.headers, content=given.content)
