"""How long a model's answers may be: as long as they need, and no longer than the provider takes.

A model that thinks needs more room than its answer, and a small one has less than is asked for.
Both are found out once for all questions of a connection.
"""

from dataclasses import dataclass

ANSWER_TOKENS_MAX = 2_048
"""The limit of an answer. A whole analysis takes some 300 tokens, but some providers charge their
limits with this in advance."""
ANSWER_TOKENS_MIN = 400
"""With less room than this no answer can be whole."""
THINKING_TOKENS_MAX = 4 * ANSWER_TOKENS_MAX
"""The limit where a model thought so long that it had no room left for its answer."""
CUT_OFF_MAX = 2
"""So many answers cut off in a row mean that the model thinks: the next question gets more room at
once, and is not sent in vain."""
SHORT_MIN = 3
"""So many answers in a row that would have fitted take the room back."""
_SHORT_MIN_CAP = 100


@dataclass(slots=True)
class AnswerRoom:
    """How long a model's answers may be, by what its answers so far took."""

    tokens_max: int = ANSWER_TOKENS_MAX
    """The room of the next question."""
    _ceiling: int | None = None
    """The most that the provider takes, where it refused more."""
    _cut_off: int = 0
    """How many first tries in a row were cut off."""
    _short: int = 0
    """How many answers in a row needed none of the room that was added."""
    _short_min: int = SHORT_MIN

    def learn(self, *, cut_off: bool, output_tokens: int = 0) -> None:
        """Learn from a first try whether the room was too small for it, or larger than it needs."""
        self._cut_off = self._cut_off + 1 if cut_off else 0
        fits = not cut_off and output_tokens <= ANSWER_TOKENS_MAX
        self._short = self._short + 1 if fits else 0
        if self._cut_off >= CUT_OFF_MAX:
            self.tokens_max = min(THINKING_TOKENS_MAX, self._ceiling or THINKING_TOKENS_MAX)
        elif self._short >= self._short_min and self.tokens_max > ANSWER_TOKENS_MAX:
            self.tokens_max = ANSWER_TOKENS_MAX
            # Where the model needs the room now and then, it is taken back less and less often.
            self._short, self._short_min = 0, min(2 * self._short_min, _SHORT_MIN_CAP)

    def larger(self, tokens_max: int) -> int | None:
        """Return the room for an answer that was cut off; None where there is no more to be had.

        A ceiling below the usual room comes from one long question: it is tried whether that holds.
        """
        ceiling = self._ceiling or THINKING_TOKENS_MAX
        found = ceiling if ceiling >= ANSWER_TOKENS_MAX else THINKING_TOKENS_MAX
        return found if found > tokens_max else None

    def refused(self, tokens_max: int, told: int | None) -> int | None:
        """Return less room after a refusal: what the provider says, else half; None where that is
        too little for an answer.
        """
        if told is None or not 0 < told < tokens_max:
            told = max(tokens_max // 2, min(ANSWER_TOKENS_MIN, tokens_max - 1))
        if told < ANSWER_TOKENS_MIN:
            return None
        self._ceiling = told
        self.tokens_max = min(self.tokens_max, told)
        return told

    def taken(self, tokens_max: int) -> None:
        """Learn that the provider takes a request with so much room."""
        if self._ceiling is not None and tokens_max > self._ceiling:
            self._ceiling = None
            self.tokens_max = max(self.tokens_max, ANSWER_TOKENS_MAX)
