"""Finds in a field what is no part of an answer: markup of tools and thoughts, the field after it,
and the words of the question given back.

All of it looks like text, and would be stored and searched as such. The marks are those of model
families and protocols: a `<name>` that stands for something else is left alone.
"""

import re
from functools import cache

from capscan.core.answer.prompt import SYSTEM, answer_schema
from capscan.core.answer.thoughts import THOUGHT_NAMES
from capscan.core.text import fold, shorten

_INSIDE = re.compile(r"[^.!?:]?[ \"'`(]")
_FIELDS = r"(?:capabilities|providers|abstractions|complexity|description|use[_ ]?case|confidence)"
_CALLS = (
    r"(?:antml:)?(?:function_calls?|invoke|tool_calls?|tool_use|tool_response|tool_results?|"
    r"arg_key|arg_value)"
)
_MARKUP = re.compile(
    rf"</?\s?antml\b[^<>]{{0,80}}>?|</?{_CALLS}\b[^<>]{{0,80}}>?"
    r"|<(?:antml:)?parameter(?:=| {0,4}name)[^<>]{0,80}>?|</(?:antml:)?parameter>?"
    r"|<function=[^<>]{0,80}>?|</function>"
    rf"|</?{_FIELDS}>"
    r"|</(?:answer|analysis|output|response|payload|result|final_answer|json)>"
    r"|<[|｜][\w▁ /.-]{1,40}[|｜]?>?|<[\w▁]{1,30}[|｜]>|[◁][/\w]{1,20}[▷]?"
    r"|\[/?(?:INST|TOOL_CALLS?|TOOL_REQUEST|END_TOOL_REQUEST|TOOL_RESULTS?|AVAILABLE_TOOLS|ARGS|THINK)\]"
    r"|</?(?:start|end)_of_turn>|</s>|<unused\d{1,4}>|<</?SYS>>|<<<[A-Z_]{4,40}",
    re.IGNORECASE,
)  # fmt: skip
_THOUGHTS = re.compile(
    rf"</?(?:[a-z]{{1,12}}:)?{THOUGHT_NAMES}(?:\s[^<>]{{0,80}})?>", re.IGNORECASE
)
_NEXT_FIELD = re.compile(
    rf"[\"'”]\s?,\s?[\"'“]{_FIELDS}[\"'”]\s?:|(?-i:\buse(?:Case|_case))[\"'”]?\s?[:=]",
    re.IGNORECASE,
)
_TURN_ENDS = re.compile(
    r"(?:\s?(?:<\|(?:im_end|eot_id|endoftext|return|end|end_of_text|eom_id)\|>|</s>|<end_of_turn>"
    r"|<eos>|<｜end▁of▁sentence｜>))+\s*$"
)
"""Of the turn of a model, at the very end of a text: there the text is right, and they are cut."""
_PLACEHOLDERS = frozenset({
    "", "string", "str", "text", "…", "todo", "tbd", "xxx", "value", "description", "use case",
    "usecase", "none", "n/a", "na", "null", "unknown", "not applicable", "example", "placeholder",
})  # fmt: skip
_ITEM_PLACEHOLDERS = frozenset({"string", "str", "…", "capability", "capability 1"})
_STANDS_FOR = re.compile(r"<[^<>]{1,80}>|\{\{?[^{}]{0,80}\}?\}|\[[^\[\]]{0,80}\]|lorem ipsum\b.*")
_DEMAND = "that answer could not be used"
_ECHO_CHARS_MIN = 20


def without_turn_ends(text: str) -> str:
    """Return the text without the marks that end a model's turn."""
    return _TURN_ENDS.sub("", text) if text.endswith((">", "> ")) else text


def leak(text: str) -> str:
    """Return what a text holds that is markup of a tool or of thoughts, or the field after it."""
    unescaped = text.replace("&lt;", "<").replace("&gt;", ">")
    found = _MARKUP.search(unescaped) or _NEXT_FIELD.search(unescaped)
    thoughts = (m for m in _THOUGHTS.finditer(unescaped) if not _is_mentioned(unescaped, m))
    found = found or next(thoughts, None)
    return shorten(found.group(), 40) if found else ""


def _is_mentioned(text: str, mark: re.Match[str]) -> bool:
    """Return whether a sentence speaks of a mark of thoughts, as a CRD for models may. A mark that
    works as one stands at the beginning or the end of a sentence, or touches a word.
    """
    before, after = text[: mark.start()][-2:], text[mark.end() :][:1]
    inside = _INSIDE.fullmatch(before)
    return bool(inside) and after in tuple(" \"'`).,;:")


def is_placeholder(text: str) -> bool:
    """Return whether a sentence says nothing, or gives the words of the question back."""
    said = _compared(text)
    if said in _PLACEHOLDERS or said in _schema_words() or _STANDS_FOR.fullmatch(said):
        return True
    return said.startswith(_DEMAND) or (len(said) >= _ECHO_CHARS_MIN and said in _question())


def is_placeholder_item(text: str) -> bool:
    """Return whether an item of a list is a word of the schema, or gives it back."""
    said = _compared(text)
    return said in _ITEM_PLACEHOLDERS or said in _schema_words()


def _compared(text: str) -> str:
    return fold(text).replace("...", "…").strip(" .\"'").lower()


@cache
def _schema_words() -> frozenset[str]:
    """Return the descriptions of the schema, with their bounds and without."""
    fields = answer_schema()["properties"].values()
    nodes = [*fields, *(field["items"] for field in fields if "items" in field)]
    told = {node["description"] for node in nodes}
    told |= {text.partition(" At most ")[0] for text in told}
    return frozenset(_compared(text) for text in told)


@cache
def _question() -> str:
    """Return the words of the question as they are compared, without its examples."""
    return _compared(SYSTEM.partition("\nExample, ")[0])
