"""Makes an analysis of a digest: asks, reads, and at most once each shortens or repairs.

Errors that are worth another attempt are raised; how many attempts there are is not decided here.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from capscan.core.answer.prompt import Prompt, first_prompt, repair_prompt, shrunken
from capscan.core.answer.rambling import rambles
from capscan.core.answer.reading import read_answer
from capscan.core.answer.room import ANSWER_TOKENS_MIN, AnswerRoom
from capscan.core.answer.subject import Subject
from capscan.core.crd.digest import Digest
from capscan.core.errors import ContextTooLong, InferenceError, InvalidAnswer, RoomRefused
from capscan.inference.api.protocol import Renegotiated, Reply
from capscan.model import Analysis, Usage
from capscan.model.completion import NO_USAGE

RENEGOTIATIONS_MAX = 12
"""So often is one request sent in another way, before a refusal stands: once for each part that can
be negotiated."""
ROOM_REFUSALS_MAX = 6
"""So often is one request sent with less room for its answer."""

Send = Callable[[Prompt, int], Awaitable[Reply]]
"""Sends one request, with a limit on the answer's tokens, through the gate."""


async def analyse(digest: Digest, send: Send, room: AnswerRoom) -> tuple[Analysis, Usage]:
    """Ask what the digested CRD is for; return the analysis, and the usage of all requests.

    Raises InferenceError, which carries the usage of all requests too, and ProviderUnusable.
    """
    return await _Asking(send, room, Subject.of(digest)).analysis()


@dataclass(slots=True)
class _Asking:
    """One question's way through its requests."""

    send: Send
    room: AnswerRoom
    subject: Subject
    usage: Usage = field(default=NO_USAGE)

    async def analysis(self) -> tuple[Analysis, Usage]:
        try:
            return await self._answered(), self.usage
        except InferenceError as error:
            error.usage = self.usage
            raise

    async def _answered(self) -> Analysis:
        prompt = first_prompt(self.subject.text)
        try:
            reply, tokens_max = await self._asked(prompt, self.room.tokens_max)
        except ContextTooLong:
            prompt = first_prompt(shrunken(self.subject.text))
            reply, tokens_max = await self._asked(prompt, self.room.tokens_max)
        try:
            analysis = self._read(reply)
        except InvalidAnswer as error:
            if reply.doubtful:  # who broke it off is not known, and it says nothing to correct
                error.observed = reply.observed
                raise
            self.room.learn(cut_off=reply.truncated and not _rambles(reply))
            return await self._repaired(prompt, reply, error.message, tokens_max)
        self.room.learn(cut_off=False, output_tokens=reply.usage.output_tokens)
        return analysis

    def _read(self, reply: Reply) -> Analysis:
        return read_answer(
            reply.answer, self.subject, thoughts=reply.thoughts, whole=reply.doubtful
        )

    async def _repaired(
        self, prompt: Prompt, reply: Reply, problem: str, tokens_max: int
    ) -> Analysis:
        if reply.truncated and not _rambles(reply):
            # An answer that was cut off needs more room: there is nothing in it to correct.
            larger = self.room.larger(tokens_max)
            if larger is None:
                raise _cut_off(problem, tokens_max, reply)
            tokens_max = larger
        else:
            said = "it goes on and on until it is cut off" if reply.truncated else problem
            prompt = repair_prompt(prompt, _text(reply), said)
        second, tokens_max = await self._asked(prompt, tokens_max)
        try:
            return self._read(second)
        except InvalidAnswer as error:
            if second.truncated:
                raise _cut_off(error.message, tokens_max, second) from error
            raise InvalidAnswer(error.message, observed=second.observed) from error

    async def _asked(self, prompt: Prompt, tokens_max: int) -> tuple[Reply, int]:
        """Return the reply, and the room that it had. A refusal of the room is met with less room,
        never with a shorter question, unless the question itself leaves too little.
        """
        for _ in range(ROOM_REFUSALS_MAX):
            try:
                reply = await self._send(prompt, tokens_max)
            except RoomRefused as error:
                smaller = self.room.refused(tokens_max, error.tokens_max)
                if smaller is None:
                    if error.tokens_max is not None and error.tokens_max < ANSWER_TOKENS_MIN:
                        raise ContextTooLong(error.message, observed=error.observed) from error
                    raise
                tokens_max = smaller
            else:
                self.room.taken(tokens_max)
                return reply, tokens_max
        return await self._send(prompt, tokens_max), tokens_max

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


def _rambles(reply: Reply) -> bool:
    """Return whether an answer was cut off because it never ends: more room would not help."""
    return reply.truncated and isinstance(reply.answer, str) and rambles(reply.answer)


def _cut_off(problem: str, tokens_max: int, reply: Reply) -> InvalidAnswer:
    return InvalidAnswer(f"{problem} (cut off at {tokens_max} tokens)", observed=reply.observed)
