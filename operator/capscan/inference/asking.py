"""Makes an analysis of a digest: asks, reads, and at most once each shortens or repairs.

Errors that are worth another attempt are raised; how many attempts there are is not decided here.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from capscan.core.answer.prompt import Prompt, first_prompt, repair_prompt, shrunken
from capscan.core.answer.reading import read_answer
from capscan.core.errors import ContextTooLong, InferenceError, InvalidAnswer
from capscan.inference.api.protocol import Renegotiated, Reply
from capscan.model import Analysis, Usage
from capscan.model.completion import NO_USAGE

ANSWER_TOKENS_MAX = 2_048
"""The limit of an answer. A whole analysis takes some 300 tokens, but some providers charge their
limits with this in advance."""
THINKING_TOKENS_MAX = 4 * ANSWER_TOKENS_MAX
"""The limit where a model thought so long that it had no room left for its answer."""
CUT_OFF_MAX = 2
"""So many answers cut off in a row mean that the model thinks: the next question gets more room at
once, and is not sent in vain."""

RENEGOTIATIONS_MAX = 4
"""So often is one request sent in another way, before a refusal stands."""

Send = Callable[[Prompt, int], Awaitable[Reply]]
"""Sends one request, with a limit on the answer's tokens, through the gate."""


@dataclass(slots=True)
class AnswerRoom:
    """How long a model's answers may be, by what its answers so far took."""

    tokens_max: int = ANSWER_TOKENS_MAX
    _cut_off: int = 0
    """How many first tries in a row were cut off."""

    def learn(self, *, cut_off: bool) -> None:
        """Learn from a first try whether the room was too small for it."""
        self._cut_off = self._cut_off + 1 if cut_off else 0
        if self._cut_off >= CUT_OFF_MAX:
            self.tokens_max = THINKING_TOKENS_MAX


async def analyse(digest_text: str, send: Send, room: AnswerRoom) -> tuple[Analysis, Usage]:
    """Ask what the digested CRD is for; return the analysis, and the usage of all requests.

    Raises InferenceError, which carries the usage of all requests too, and ProviderUnusable.
    """
    return await _Asking(send, room).analysis(digest_text)


@dataclass(slots=True)
class _Asking:
    """One question's way through its requests."""

    send: Send
    room: AnswerRoom
    usage: Usage = field(default=NO_USAGE)

    async def analysis(self, digest_text: str) -> tuple[Analysis, Usage]:
        try:
            return await self._answered(digest_text), self.usage
        except InferenceError as error:
            error.usage = self.usage
            raise

    async def _answered(self, digest_text: str) -> Analysis:
        prompt = first_prompt(digest_text)
        try:
            reply = await self._send(prompt, self.room.tokens_max)
        except ContextTooLong:
            prompt = first_prompt(shrunken(digest_text))
            reply = await self._send(prompt, self.room.tokens_max)
        try:
            analysis = read_answer(reply.answer)
        except InvalidAnswer as error:
            self.room.learn(cut_off=reply.truncated)
            return await self._repaired(prompt, reply, error.message)
        self.room.learn(cut_off=False)
        return analysis

    async def _repaired(self, prompt: Prompt, reply: Reply, problem: str) -> Analysis:
        tokens_max = self.room.tokens_max
        if reply.truncated:
            # An answer that was cut off needs more room: there is nothing in it to correct.
            tokens_max = THINKING_TOKENS_MAX
        else:
            prompt = repair_prompt(prompt, _text(reply), problem)
        second = await self._send(prompt, tokens_max)
        try:
            return read_answer(second.answer)
        except InvalidAnswer as error:
            cut = f" (cut off at {tokens_max} tokens)" if second.truncated else ""
            raise InvalidAnswer(error.message + cut, observed=second.observed) from error

    async def _send(self, prompt: Prompt, tokens_max: int) -> Reply:
        for _ in range(RENEGOTIATIONS_MAX):
            try:
                return await self._once(prompt, tokens_max)
            except Renegotiated:
                continue
        return await self._once(prompt, tokens_max)

    async def _once(self, prompt: Prompt, tokens_max: int) -> Reply:
        try:
            reply = await self.send(prompt, tokens_max)
        except InferenceError as error:
            self.usage += error.usage or NO_USAGE
            raise
        self.usage += reply.usage
        return reply


def _text(reply: Reply) -> str:
    if isinstance(reply.answer, str):
        return reply.answer
    try:
        return json.dumps(reply.answer, ensure_ascii=False)
    except RecursionError:
        return ""
