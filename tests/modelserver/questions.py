"""Questions as a client puts them, for the tests of the fake itself."""

from typing import Any

from aiohttp import ClientSession
from multidict import CIMultiDict

from tests.modelserver.service import Incoming

NAME = "certificates.cert-manager.io"
MODEL = "claude-haiku-4-5"
KEY = "sk-1"

Body = dict[str, Any]

SCHEMA = {
    "type": "object",
    "properties": {"confidence": {"type": "number"}},
    "required": ["confidence"],
    "additionalProperties": False,
}
TOOL = {"name": "report", "input_schema": SCHEMA}
FORCED: Body = {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "report"}}

ANTHROPIC = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
OPENAI = {"authorization": f"Bearer {KEY}"}


def digest(name: str = NAME) -> str:
    """Return the head of a digest."""
    return f"name: {name}\nkind: Certificate\ngroup: cert-manager.io\n"


def message(name: str = NAME, **other: Any) -> Body:
    """Return a body for POST /v1/messages."""
    asked = [{"role": "user", "content": [{"type": "text", "text": digest(name)}]}]
    return {"model": MODEL, "max_tokens": 1000, "messages": asked} | other


def chat(name: str = NAME, **other: Any) -> Body:
    """Return a body for POST /v1/chat/completions."""
    asked = [{"role": "system", "content": "JSON."}, {"role": "user", "content": digest(name)}]
    return {"model": MODEL, "max_tokens": 1000, "messages": asked} | other


def incoming(path: str, body: bytes, headers: dict[str, str]) -> Incoming:
    """Return a request as it comes from the port."""
    return Incoming("POST", path, CIMultiDict(headers), body)


async def ask(url: str, name: str = NAME, **other: Any) -> tuple[int, Any]:
    """Ask one question on a new connection; return status and JSON."""
    async with (
        ClientSession(headers=OPENAI) as session,
        session.post(f"{url}/v1/chat/completions", json=chat(name, **other)) as answer,
    ):
        return answer.status, await answer.json()
