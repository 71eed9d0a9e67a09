"""The steps from one Dialect to the next: which words of a refusal are about which part.

The words are those that servers use, found in any case. What follows from them is tried once; a
refusal that stays is told.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from capscan.inference.api.dialect import Dialect, Form, Step, Tool


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_ROLE = _words(
    r"\bsystem role",
    r"\broles?\b.{0,80}\bsystem\b",
    r"\bsystem\b.{0,60}\broles?\b",
    r"system.?(?:message|prompt|instruction)s?\b.{0,60}\b(?:not|unsupported|no)\b",
    r"(?:not|n't) support.{0,20}\bsystem\b",
    r"\broles? (?:must|should|have to) .{0,20}alternat",
    r"only user.{0,40}roles? (?:are|is) ",
    r"developer instruction is not enabled",
)
_NOT_KNOWN = _words(
    r"\bunknown\b", r"\bextra[_ ](?:input|field|forbidden)", r"\bun(?:recogni[sz]ed|supported)\b",
    r"\bunexpected\b", r"cannot find field", r"\bnot (?:be )?(?:supported|permitted|allowed)",
    r"n't supported?\b", r"\bnot support\b", r"\bnot a valid (?:parameter|field)",
)  # fmt: skip
_KEYWORDS = ("strict", "additionalProperties", "maxItems", "maxLength", "enum", "description")
"""What a request with a schema can go without."""
_NAMED = {
    name: re.compile(
        rf"[\"'`.]{name}\b|\b{name}[\"'`]|\b{name}: |(?:supplied|parameter|name): {name}\b"
    )
    for name in _KEYWORDS
}  # fmt: skip
_BOUNDS = _words(
    r"max_?items", r"max_?length", r"min_?items", r"min_?length", r"grammar", r"too many states",
    r"json schema f(?:ield|eature)", r"schema contains features", r"repetition",
)  # fmt: skip
_FORM = _words(
    r"response[ _]?format", r"json[ _]?schema", r"json_object", r"structured[ _]output",
    r"grammar", r"guided[ _](?:json|decoding)", r"too many states", r"response_?schema",
    r"invalid schema", r"schema contains features", r"the word '?\"?json", r"requested parameters",
)  # fmt: skip
_TOOL_SCHEMA = _words(
    r"grammar", r"too many states", r"input_schema", r"json[ _]?schema", r"schema contains features"
)
_LIMIT = re.compile(r"max_(?:completion_)?tokens")
_TOO_LARGE = _words(
    r"too (?:large|high|big)", r"less than", r"at most", r"<=", r"exceed", r"greater than",
    r"\brange\b", r"maximum", r"\d > \d",
)  # fmt: skip
_OTHER_LIMIT = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}
_TOOLS = _words(
    r"tool_?choice", r"tool choice", r"\btools?\b", r"tool_?config", r"function call",
    r"requested parameters",
)  # fmt: skip
_FORCED = _words(r"tool_?choice", r"tool choice", r"\bforc", r"requested parameters")
_CHOICE_IN_VAIN = _words(r"\bauto\b")
_CACHE = _words(
    r"cache_?control", r"prompt[ _]cach", r"cache_?point",
    r"\bsystem\b.{0,40}\b(?:valid )?string\b", r"\bsystem\b.{0,40}\blist\b",
)  # fmt: skip
_THINKING = re.compile(r"enable_thinking")
_NAMES_NOTHING = _words(
    r"request contains an invalid argument", r"invalid[_ ]argument\W*$", r"too many states"
)


def without_system_role(spoken: Dialect, refusal: str) -> Dialect | None:
    """Begin the first message with the system prompt."""
    if not spoken.has_system_role or not _ROLE.search(refusal):
        return None
    return replace(spoken, has_system_role=False)


def without_cache_mark(spoken: Dialect, refusal: str) -> Dialect | None:
    """Send the system prompt as a plain text, which has no place for a mark."""
    if not spoken.marks_cache or not _CACHE.search(refusal):
        return None
    return replace(spoken, marks_cache=False)


def without_named(spoken: Dialect, refusal: str) -> Dialect | None:
    """Leave out exactly what is named as unknown."""
    if not _NOT_KNOWN.search(refusal):
        return None
    named = {name for name, pattern in _NAMED.items() if pattern.search(refusal)}
    if named <= spoken.left_out:
        return None
    return replace(spoken, left_out=spoken.left_out | named)


def without_bounds(spoken: Dialect, refusal: str) -> Dialect | None:
    """Keep the schema, and do not say in it how long lists and texts may be."""
    if not spoken.bounded or spoken.form is not Form.SCHEMA or not _BOUNDS.search(refusal):
        return None
    return replace(spoken, bounded=False)


def next_form(spoken: Dialect, refusal: str) -> Dialect | None:
    """Ask for any object instead of a schema, and for text instead of an object."""
    if not _FORM.search(refusal) or spoken.form is Form.TEXT:
        return None
    return replace(spoken, form=Form.OBJECT if spoken.form is Form.SCHEMA else Form.TEXT)


def other_limit(spoken: Dialect, refusal: str) -> Dialect | None:
    """Call the limit of tokens by its other name, and send none where both are refused.

    A limit that is too large is known by its name: its number is what is refused.
    """
    named = _LIMIT.search(refusal) and spoken.limit in refusal
    if not spoken.limit or not named or not _is_unknown_limit(refusal):
        return None
    refused = spoken.left_out | {spoken.limit}
    other = _OTHER_LIMIT[spoken.limit]
    return replace(spoken, limit="" if other in refused else other, left_out=refused)


def _is_unknown_limit(refusal: str) -> bool:
    return bool(_NOT_KNOWN.search(refusal)) and not _TOO_LARGE.search(refusal)


def next_tool(spoken: Dialect, refusal: str) -> Dialect | None:
    """Leave it to the model whether it calls the tool; offer none where that is refused too."""
    if spoken.tool is Tool.NONE or not _TOOLS.search(refusal):
        return None
    may_choose = (
        spoken.tool is Tool.FORCED
        and _FORCED.search(refusal)
        and not _CHOICE_IN_VAIN.search(refusal)
    )
    return replace(spoken, tool=Tool.OFFERED if may_choose else Tool.NONE)


def without_tool_schema(spoken: Dialect, refusal: str) -> Dialect | None:
    """Offer no tool where a server cannot hold the model to the schema of its input."""
    if spoken.tool is Tool.NONE or not _TOOL_SCHEMA.search(refusal):
        return None
    return replace(spoken, tool=Tool.NONE)


def without_thinking(spoken: Dialect, refusal: str) -> Dialect | None:
    """Tell a model not to think, where the server makes it think only in a stream."""
    if not spoken.thinks or not _THINKING.search(refusal):
        return None
    return replace(spoken, thinks=False)


def guessed_form(spoken: Dialect, refusal: str) -> Dialect | None:
    """Take a refusal that names nothing to be about the schema: its bounds, then all of it."""
    if not _NAMES_NOTHING.search(refusal) or spoken.form is Form.TEXT:
        return None
    if spoken.bounded and spoken.form is Form.SCHEMA:
        return replace(spoken, bounded=False)
    return replace(spoken, form=Form.TEXT)


def guessed_tool(spoken: Dialect, refusal: str) -> Dialect | None:
    """Take a refusal that names nothing to be about the tool: its bounds, then all of it."""
    if not _NAMES_NOTHING.search(refusal) or spoken.tool is Tool.NONE:
        return None
    if spoken.bounded:
        return replace(spoken, bounded=False)
    return replace(spoken, tool=Tool.NONE)


OPENAI_STEPS: Sequence[Step] = (
    without_system_role,
    other_limit,
    without_named,
    without_bounds,
    without_thinking,
    next_form,
)
"""What is tried, in this order, after a server refused a part of a chat completion."""

ANTHROPIC_STEPS: Sequence[Step] = (
    without_cache_mark,
    without_system_role,
    without_named,
    without_bounds,
    next_tool,
    without_tool_schema,
)
"""What is tried, in this order, after a server refused a part of a message."""

REFUSALS_MAX = 12
"""The longest way through either list, and one request more."""
