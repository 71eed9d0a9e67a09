"""What a server takes of a request, and what is tried after it refuses a part.

Servers that speak one protocol still differ. An API builds each request from a Dialect; a refusal
moves that on by one step, which `Negotiation` remembers for the whole connection. To negotiate one
more part, give it a field in Dialect and a Step, and name the step where an API lists its own.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

_FORM_REFUSED = re.compile(
    r"response[ _]?format|json[ _]schema|json_object|structured output", re.IGNORECASE
)
_LIMIT_REFUSED = re.compile(r"max_(?:completion_)?tokens")
_OTHER_LIMIT = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}


class Form(StrEnum):
    """How an answer in JSON is asked for, best first; the prompt asks for it in any case."""

    SCHEMA = "json_schema"
    OBJECT = "json_object"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server is taken to understand. An API reads the fields that its protocol has."""

    form: Form = Form.SCHEMA
    limit: str = "max_tokens"
    """What the limit of an answer's tokens is called: this is the older name, which OpenAI's own
    newer models refuse and other servers know."""
    forces_tool: bool = True
    """Whether the model can be made to call a tool. Models that always think cannot."""


Step = Callable[[Dialect, str], Dialect | None]
"""From a dialect and the words of a refusal to the dialect to try next. None: the refusal is about
something else, or there is nothing left to try."""


def next_form(spoken: Dialect, refusal: str) -> Dialect | None:
    """Ask for any object instead of a schema, and for text instead of an object."""
    if not _FORM_REFUSED.search(refusal) or spoken.form is Form.TEXT:
        return None
    return replace(spoken, form=Form.OBJECT if spoken.form is Form.SCHEMA else Form.TEXT)


def other_limit(spoken: Dialect, refusal: str) -> Dialect | None:
    """Call the limit of tokens by its other name."""
    if not _LIMIT_REFUSED.search(refusal) or spoken.limit not in refusal:
        return None
    return replace(spoken, limit=_OTHER_LIMIT[spoken.limit])


def free_choice(spoken: Dialect, refusal: str) -> Dialect | None:
    """Leave it to the model whether it calls the tool."""
    if not spoken.forces_tool or "tool_choice" not in refusal:
        return None
    return replace(spoken, forces_tool=False)


class Negotiation:
    """Remembers the dialect of one server for as long as a connection to it lasts."""

    def __init__(self, dialect: Dialect, steps: Sequence[Step]) -> None:
        self._dialect = dialect
        self._steps = steps

    @property
    def dialect(self) -> Dialect:
        """The dialect that the next request is to be in."""
        return self._dialect

    def moves_on(self, spoken: Dialect, refusal: str) -> bool:
        """Learn from the refusal of a request in `spoken`. True: the next request will differ.

        The first step that applies is taken. Requests in flight together are refused together: only
        the first refusal of a dialect takes a step, and a late one takes none back.
        """
        steps = (step(spoken, refusal) for step in self._steps)
        understood = next((dialect for dialect in steps if dialect is not None), None)
        if understood is None:
            return False
        if self._dialect == spoken:
            self._dialect = understood
        return True
