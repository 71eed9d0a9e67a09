"""What a server takes of a request, and what is remembered of its refusals.

Servers that speak one protocol still differ. An API builds each request from a Dialect; a refusal
moves that on by one step, which `Negotiation` remembers for the whole connection. To negotiate one
more part, give it a field in Dialect and a Step in `steps.py`, and name the step where an API lists
its own. Each step gives something up and none takes it back, so that every negotiation ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

RAMBLES_MAX = 2
"""So many answers in a row that ran on and on mean that the server's grammar makes them do so."""


class Form(StrEnum):
    """How an answer in JSON is asked for, best first; the prompt asks for it in any case."""

    SCHEMA = "json_schema"
    OBJECT = "json_object"
    TEXT = "text"


class Tool(StrEnum):
    """How the tool is offered whose input is the answer, best first."""

    FORCED = "tool"
    OFFERED = "auto"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server is taken to understand. An API reads the fields that its protocol has."""

    form: Form = Form.SCHEMA
    bounded: bool = True
    """Whether the schema says how long lists and texts may be. Without that, a grammar lets a small
    model fill all the room that it has."""
    tool: Tool = Tool.FORCED
    limit: str = "max_tokens"
    """What the limit of an answer's tokens is called: this is the older name, which OpenAI's own
    newer models refuse and other servers know. Empty: no limit is sent."""
    has_system_role: bool = True
    """Whether the system prompt has its own place; else it begins the first message."""
    marks_cache: bool = True
    """Whether the part that never changes is marked for the cache."""
    thinks: bool = True
    """Whether a model that can be told not to think is left as it is."""
    left_out: frozenset[str] = frozenset()
    """Other names in a request that the server does not know."""


Step = Callable[[Dialect, str], Dialect | None]
"""From a dialect and the words of a refusal to the dialect to try next. None: the refusal is about
something else, or there is nothing left to try."""


class Negotiation:
    """Remembers the dialect of one server for as long as a connection to it lasts.

    A refusal that names nothing is first taken to be about what servers refuse most often: `guess`
    says what that is. A guess that did not help is taken back, and no other one is made.
    """

    def __init__(self, dialect: Dialect, steps: Sequence[Step], guess: Step) -> None:
        self._dialect = dialect
        self._steps = steps
        self._guess = guess
        self._answered: Dialect | None = None
        """The dialect of the last answer."""
        self._before_guess: Dialect | None = None
        self._guessed_in_vain = False
        self._rambled = 0

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
        guessed = None if understood else self._guessed(spoken, refusal)
        if self._dialect == spoken:
            if guessed and self._before_guess is None:
                self._before_guess = spoken
            if understood is None and guessed is None and self._before_guess is not None:
                self._dialect, self._before_guess = self._before_guess, None
                self._guessed_in_vain = True
            self._dialect = understood or guessed or self._dialect
        return (understood or guessed) is not None

    def answered(self, spoken: Dialect, *, rambled: bool = False) -> None:
        """Learn that a request in `spoken` was answered, and whether the answer ran on and on until
        it was cut off.
        """
        self._answered = spoken
        if spoken == self._dialect:
            self._before_guess = None
        self._rambled = self._rambled + 1 if rambled else 0
        if self._rambled >= RAMBLES_MAX and spoken == self._dialect:
            self._dialect = replace(spoken, form=Form.TEXT)

    def _guessed(self, spoken: Dialect, refusal: str) -> Dialect | None:
        if spoken == self._answered or self._guessed_in_vain:
            return None
        return self._guess(spoken, refusal)
