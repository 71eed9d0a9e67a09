"""What the APIs have in common in their requests and in their replies: turns, schemas, texts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from capscan.core.answer.prompt import Message, Prompt, answer_schema
from capscan.inference.api.dialect import Dialect
from capscan.inference.api.endings import Ending
from capscan.inference.api.http import Json
from capscan.inference.api.protocol import Reply
from capscan.model import Usage

_BOUNDS = frozenset({"maxItems", "maxLength"})
_CALLS_MAX = 8
_DEPTH_MAX = 4


def in_dialect(prompt: Prompt, dialect: Dialect) -> Sequence[Message]:
    """Return the turns; the first one begins with the system prompt where it has no other place."""
    if dialect.has_system_role:
        return prompt.messages
    first, *rest = prompt.messages
    return [replace(first, text=f"{prompt.system}\n{first.text}"), *rest]


def schema_in(dialect: Dialect) -> Mapping[str, Any]:
    """Return the schema of the answer, without the keywords that the server does not know."""
    unknown = dialect.left_out | (frozenset() if dialect.bounded else _BOUNDS)
    return _without(answer_schema(), unknown) if unknown else answer_schema()


def _without(schema: Mapping[str, Any], unknown: frozenset[str]) -> Json:
    kept = {keyword: value for keyword, value in schema.items() if keyword not in unknown}
    if "items" in kept:
        kept["items"] = _without(kept["items"], unknown)
    if "properties" in kept:
        fields = kept["properties"].items()
        kept["properties"] = {name: _without(field, unknown) for name, field in fields}
    return kept


def reply_of(answer: str | Mapping[str, Any], thoughts: str, usage: Usage, ended: Ending) -> Reply:
    """Return the reply. Thoughts that ran out of room hold no more than a draft."""
    cut_off = ended is Ending.CUT_OFF
    return Reply(
        answer,
        usage,
        truncated=cut_off,
        doubtful=ended is Ending.UNKNOWN,
        thoughts="" if cut_off else thoughts,
    )


def best_of(text: str, inputs: Sequence[str | Mapping[str, Any]]) -> str | Mapping[str, Any]:
    """Return the text where no tool was called, and what a tool was called with otherwise.

    Where the text may hold an answer too, and of several calls, all are returned: which one holds
    the answer is not for an API to know.
    """
    if not inputs:
        return text
    if len(inputs) == 1 and "{" not in text:
        return inputs[0]
    return {"text": text, "calls": list(inputs[-_CALLS_MAX:])}


def text_in(content: object) -> str:
    """Return the text of a message: the content is a text, or a list of parts with text."""
    if isinstance(content, list):
        parts = [p.get("text") for p in content if isinstance(p, Mapping) and not _is_thought(p)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def thoughts_in(content: object) -> list[str]:
    """Return the texts of the parts that are thoughts."""
    parts = content if isinstance(content, list) else []
    found = (text for part in parts if _is_thought(part) for text in _texts(part, 0))
    return [text for text in found if text]


def _is_thought(part: object) -> bool:
    kind = part.get("type") if isinstance(part, Mapping) else None
    return isinstance(kind, str) and ("think" in kind or "reasoning" in kind)


def _texts(part: object, depth: int) -> Iterator[str]:
    """Yield the texts of a part, which some servers nest: of a thought its own list of parts."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for item in part:
            yield from _texts(item, depth + 1)
    elif isinstance(part, Mapping):
        for name in ("thinking", "reasoning", "text", "summary"):
            yield from _texts(part.get(name), depth + 1)
