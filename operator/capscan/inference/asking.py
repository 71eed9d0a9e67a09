"""From a digest to an analysis: ask, read, and once each shorten or repair.

Errors that are worth another attempt are raised; how many attempts there are is not decided here.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from capscan.core.answer import read_answer
from capscan.core.errors import ContextTooLong, InferenceError, InvalidAnswer
from capscan.core.prompt import Prompt, first_prompt, repair_prompt, shrunken
from capscan.inference.api.protocol import Renegotiated, Reply
from capscan.model import Analysis, Usage
from capscan.model.completion import NO_USAGE

ANSWER_TOKENS_MAX = 2_048
"""Some providers charge limits with it in advance; a whole analysis takes some 300."""
THINKING_TOKENS_MAX = 4 * ANSWER_TOKENS_MAX
"""For a second try, where a model thought so long that nothing of its answer was left."""

RENEGOTIATIONS_MAX = 4

Send = Callable[[Prompt, int], Awaitable[Reply]]
"""Sends one request, with a limit on the answer's tokens: where the gate stands."""


async def analyse(digest_text: str, send: Send) -> tuple[Analysis, Usage]:
    """The usage is that of all requests, as is that of the InferenceError it may raise.

    Raises InferenceError, ProviderUnusable.
    """
    return await _Asking(send).analysis(digest_text)


@dataclass(slots=True)
class _Asking:
    """One question's way through its requests."""

    send: Send
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
            reply = await self._send(prompt, ANSWER_TOKENS_MAX)
        except ContextTooLong:
            prompt = first_prompt(shrunken(digest_text))
            reply = await self._send(prompt, ANSWER_TOKENS_MAX)
        try:
            return read_answer(reply.answer)
        except InvalidAnswer as error:
            return await self._repaired(prompt, reply, error.message)

    async def _repaired(self, prompt: Prompt, reply: Reply, problem: str) -> Analysis:
        tokens_max = ANSWER_TOKENS_MAX
        if reply.truncated:
            # There is nothing to correct in an answer that was cut off: it needs more room.
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
