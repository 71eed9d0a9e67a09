"""analyse: at most one repair and one shortening, and every request is counted."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from capscan.core.answer.prompt import Prompt, first_prompt, repair_prompt, shrunken
from capscan.core.errors import (
    ContextTooLong,
    InferenceError,
    InvalidAnswer,
    ProviderUnusable,
    RateLimited,
)
from capscan.inference.api.protocol import Renegotiated, Reply
from capscan.inference.asking import (
    ANSWER_TOKENS_MAX,
    RENEGOTIATIONS_MAX,
    THINKING_TOKENS_MAX,
    AnswerRoom,
    analyse,
)
from capscan.model import Analysis, Usage
from capscan.model.completion import ObservedLimits
from tests.inference.api.wire import ANSWER

pytestmark = pytest.mark.anyio

DIGEST = "name: widgets\nkind: Widget\nfields:\n  size integer\n  colour string\n"
COST = Usage(requests=1, input_tokens=100, output_tokens=10)
GOOD = Reply(json.dumps(ANSWER), COST)
BAD = Reply('{"description": "A widget."}', COST, ObservedLimits())
PROBLEM = "the answer has no capabilities, complexity, useCase, confidence"


@dataclass
class Model:
    """Replies from a script, and what it was sent."""

    script: Iterator[Reply | Exception]
    prompts: list[Prompt] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)

    async def send(self, prompt: Prompt, max_output_tokens: int) -> Reply:
        self.prompts.append(prompt)
        self.limits.append(max_output_tokens)
        step = next(self.script)
        if isinstance(step, Exception):
            raise step
        return step


def model(*script: Reply | Exception) -> Model:
    return Model(iter(script))


async def test_a_good_answer_takes_one_request() -> None:
    """The answer is a text, or the object of a tool call."""
    for reply in (GOOD, Reply(ANSWER, COST)):
        asked = model(reply)
        assert await analyse(DIGEST, asked.send, AnswerRoom()) == (
            Analysis.model_validate(ANSWER),
            COST,
        )
        assert asked.prompts == [first_prompt(DIGEST)]
        assert asked.limits == [ANSWER_TOKENS_MAX]


@pytest.mark.parametrize("bad", [BAD, Reply({"description": "A widget."}, COST)])
async def test_a_bad_answer_is_shown_to_its_model_once(bad: Reply) -> None:
    """The model is told what is wrong with the answer."""
    asked = model(bad, GOOD)
    analysis, usage = await analyse(DIGEST, asked.send, AnswerRoom())

    assert analysis.description == "A widget."
    assert usage == COST + COST
    assert asked.prompts[1] == repair_prompt(
        first_prompt(DIGEST), '{"description": "A widget."}', PROBLEM
    )


async def test_a_repair_that_fails_is_told_with_all_it_cost() -> None:
    """The error also says what the last response told of the limits."""
    asked = model(BAD, BAD)
    with pytest.raises(InvalidAnswer) as raised:
        await analyse(DIGEST, asked.send, AnswerRoom())

    assert raised.value.message == PROBLEM
    assert raised.value.usage == COST + COST
    assert raised.value.observed == ObservedLimits()


async def test_an_answer_cut_off_gets_more_room() -> None:
    """A model that thinks has nothing to correct; the same question goes out again."""
    cut = Reply("", COST, truncated=True)
    asked = model(cut, GOOD)
    await analyse(DIGEST, asked.send, AnswerRoom())

    assert asked.prompts == [first_prompt(DIGEST)] * 2
    assert asked.limits == [ANSWER_TOKENS_MAX, THINKING_TOKENS_MAX]
    with pytest.raises(InvalidAnswer, match=r"is empty \(cut off at 8192 tokens\)"):
        await analyse(DIGEST, model(cut, cut).send, AnswerRoom())


async def test_a_model_that_thinks_long_is_given_the_room_at_once() -> None:
    """After two answers in a row that were cut off, and for good: one was a freak."""
    cut, room = Reply("", COST, truncated=True), AnswerRoom()
    asked = model(cut, GOOD, GOOD, cut, GOOD, cut, GOOD, GOOD)
    for _ in range(5):
        await analyse(DIGEST, asked.send, room)

    small, large = ANSWER_TOKENS_MAX, THINKING_TOKENS_MAX
    assert asked.limits == [small, large, small, small, large, small, large, large]


async def test_an_answer_cut_off_after_its_last_field_is_good() -> None:
    """The end that is missing says nothing more."""
    late = Reply(json.dumps(ANSWER)[:-1], COST, truncated=True)

    assert (await analyse(DIGEST, model(late).send, AnswerRoom()))[1] == COST


async def test_a_question_too_long_is_shortened_once() -> None:
    """If the short one is too long as well, the error is raised."""
    asked = model(ContextTooLong("x", usage=Usage(requests=1)), GOOD)
    _, usage = await analyse(DIGEST, asked.send, AnswerRoom())

    assert asked.prompts == [first_prompt(DIGEST), first_prompt(shrunken(DIGEST))]
    assert usage == Usage(requests=2, input_tokens=100, output_tokens=10)
    with pytest.raises(ContextTooLong):
        await analyse(DIGEST, model(ContextTooLong(), ContextTooLong()).send, AnswerRoom())


async def test_a_shortened_question_can_be_repaired() -> None:
    """The repair repeats the short question."""
    asked = model(ContextTooLong(), BAD, GOOD)
    await analyse(DIGEST, asked.send, AnswerRoom())

    assert asked.prompts[2].messages[0] == first_prompt(shrunken(DIGEST)).messages[0]


async def test_a_renegotiated_request_is_sent_again_at_once() -> None:
    """As often as there is something to negotiate, and not for ever."""
    steps = [Renegotiated("x", usage=Usage(requests=1))] * RENEGOTIATIONS_MAX
    _, usage = await analyse(DIGEST, model(*steps, GOOD).send, AnswerRoom())

    assert usage.requests == RENEGOTIATIONS_MAX + 1
    with pytest.raises(Renegotiated):
        await analyse(DIGEST, model(*steps, Renegotiated("x")).send, AnswerRoom())


@pytest.mark.parametrize("error", [RateLimited("x", retry_after_s=3.0), InferenceError("x")])
async def test_other_errors_are_raised_with_what_was_spent_before(error: InferenceError) -> None:
    """Whether they are worth another attempt is not decided here."""
    with pytest.raises(InferenceError) as raised:
        await analyse(DIGEST, model(BAD, error).send, AnswerRoom())

    assert raised.value is error
    assert error.usage == COST


async def test_an_unusable_account_is_raised_as_it_is() -> None:
    """The fault is not this question's."""
    error = ProviderUnusable("InvalidCredentials", "x")
    with pytest.raises(ProviderUnusable):
        await analyse(DIGEST, model(error).send, AnswerRoom())
