"""analyse: at most one repair and one shortening, and every request is counted."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from capscan.core.answer.prompt import SYSTEM, Prompt, first_prompt, repair_prompt, shrunken
from capscan.core.answer.room import ANSWER_TOKENS_MAX, SHORT_MIN, THINKING_TOKENS_MAX, AnswerRoom
from capscan.core.crd.digest import digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.core.errors import (
    ContextTooLong,
    InferenceError,
    InvalidAnswer,
    ProviderUnusable,
    RateLimited,
    RoomRefused,
)
from capscan.inference.api.protocol import Renegotiated, Reply
from capscan.inference.asking import RENEGOTIATIONS_MAX, analyse
from capscan.model import Analysis, Usage
from capscan.model.completion import ObservedLimits
from tests.builders import crd
from tests.inference.api.wire import ANSWER
from tests.inference.spent import spent

pytestmark = pytest.mark.anyio

WIDGETS = digest_crd(parse_crd(crd("widgets")))
DIGEST = WIDGETS.text
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
        assert await analyse(WIDGETS, asked.send, AnswerRoom()) == (
            Analysis.model_validate(ANSWER),
            COST,
        )
        assert asked.prompts == [first_prompt(DIGEST)]
        assert asked.limits == [ANSWER_TOKENS_MAX]


@pytest.mark.parametrize("bad", [BAD, Reply({"description": "A widget."}, COST)])
async def test_a_bad_answer_is_shown_to_its_model_once(bad: Reply) -> None:
    """The model is told what is wrong with the answer."""
    asked = model(bad, GOOD)
    analysis, usage = await analyse(WIDGETS, asked.send, AnswerRoom())

    assert analysis.description == "A widget."
    assert usage == COST + COST
    assert asked.prompts[1] == repair_prompt(
        first_prompt(DIGEST), '{"description": "A widget."}', PROBLEM
    )


async def test_a_repair_that_fails_is_told_with_all_it_cost() -> None:
    """The error also says what the last response told of the limits."""
    asked = model(BAD, BAD)
    with pytest.raises(InvalidAnswer) as raised:
        await analyse(WIDGETS, asked.send, AnswerRoom())

    assert raised.value.message == PROBLEM
    assert raised.value.usage == COST + COST
    assert raised.value.observed == ObservedLimits()


async def test_an_answer_cut_off_gets_more_room() -> None:
    """A model that thinks has nothing to correct; the same question goes out again."""
    cut = Reply("", COST, truncated=True)
    asked = model(cut, GOOD)
    await analyse(WIDGETS, asked.send, AnswerRoom())

    assert asked.prompts == [first_prompt(DIGEST)] * 2
    assert asked.limits == [ANSWER_TOKENS_MAX, THINKING_TOKENS_MAX]
    with pytest.raises(InvalidAnswer, match=r"is empty \(cut off at 8192 tokens\)"):
        await analyse(WIDGETS, model(cut, cut).send, AnswerRoom())


async def test_a_model_that_thinks_long_is_given_the_room_at_once() -> None:
    """After two answers in a row that were cut off, and for good: one was a freak."""
    cut, room = Reply("", COST, truncated=True), AnswerRoom()
    asked = model(cut, GOOD, GOOD, cut, GOOD, cut, GOOD, GOOD)
    for _ in range(5):
        await analyse(WIDGETS, asked.send, room)

    small, large = ANSWER_TOKENS_MAX, THINKING_TOKENS_MAX
    assert asked.limits == [small, large, small, small, large, small, large, large]


async def test_the_room_goes_back_after_answers_that_did_not_need_it() -> None:
    """Two freaks in a row do not make all later questions dear."""
    cut, room = Reply("", COST, truncated=True), AnswerRoom()
    asked = model(cut, GOOD, cut, GOOD, *[GOOD] * (SHORT_MIN + 1))
    for _ in range(2 + SHORT_MIN + 1):
        await analyse(WIDGETS, asked.send, room)

    assert asked.limits[4:] == [THINKING_TOKENS_MAX] * SHORT_MIN + [ANSWER_TOKENS_MAX]


async def test_a_refused_room_shrinks_and_the_question_stays_whole() -> None:
    """The provider says how much it takes, or half is tried; the next question begins with that."""
    room, spent_in_vain = AnswerRoom(), Usage(requests=1)
    asked = model(
        RoomRefused("x", tokens_max=1500, usage=spent_in_vain),
        RoomRefused("x", usage=spent_in_vain),
        GOOD,
        GOOD,
    )
    _, usage = await analyse(WIDGETS, asked.send, room)
    await analyse(WIDGETS, asked.send, room)

    assert asked.limits == [ANSWER_TOKENS_MAX, 1500, 750, 750]
    assert asked.prompts == [first_prompt(DIGEST)] * 4
    assert usage == COST + spent_in_vain + spent_in_vain


async def test_a_room_that_had_grown_shrinks_to_what_the_model_has() -> None:
    """It is not asked for again."""
    cut, room = Reply("", COST, truncated=True), AnswerRoom()
    asked = model(cut, GOOD, cut, GOOD, RoomRefused("x", tokens_max=4096), GOOD, GOOD)
    for _ in range(4):
        await analyse(WIDGETS, asked.send, room)

    assert asked.limits[4:] == [THINKING_TOKENS_MAX, 4096, 4096]


async def test_a_question_that_leaves_no_room_is_shortened() -> None:
    """Only then is the digest what is too long."""
    asked = model(RoomRefused("x", tokens_max=90), GOOD)
    await analyse(WIDGETS, asked.send, AnswerRoom())

    assert asked.prompts[1] == first_prompt(shrunken(DIGEST))


async def test_a_room_that_is_refused_down_to_nothing_is_told() -> None:
    """After few requests."""
    asked = model(*[RoomRefused("no room", usage=Usage(requests=1))] * 9)
    with pytest.raises(RoomRefused) as raised:
        await analyse(WIDGETS, asked.send, AnswerRoom())

    assert asked.limits == [2048, 1024, 512, 400]
    assert spent(raised.value).requests == 4


@pytest.mark.parametrize("text", ['{"capabilities": [' + "\n " * 900, "A berth: " * 300])
async def test_an_answer_that_runs_on_gets_no_more_room(text: str) -> None:
    """It would fill that too. Its model is shown it, and later questions have the usual room."""
    room, endless = AnswerRoom(), Reply(text, COST, truncated=True)
    asked = model(endless, GOOD, endless, GOOD, endless, GOOD)
    for _ in range(3):
        await analyse(WIDGETS, asked.send, room)

    assert set(asked.limits) == {ANSWER_TOKENS_MAX}
    assert "goes on and on" in asked.prompts[1].messages[-1].text


async def test_an_answer_cut_off_in_the_largest_room_is_not_asked_for_in_it_again() -> None:
    """Another attempt at the item may think less."""
    cut, room = Reply("", COST, truncated=True), AnswerRoom(tokens_max=THINKING_TOKENS_MAX)
    with pytest.raises(InvalidAnswer, match="cut off at 8192 tokens"):
        await analyse(WIDGETS, model(cut).send, room)


async def test_an_ending_that_nobody_knows_is_not_repaired() -> None:
    """A whole answer counts all the same."""
    whole = Reply(json.dumps(ANSWER), COST, doubtful=True)
    assert (await analyse(WIDGETS, model(whole).send, AnswerRoom()))[1] == COST

    half = Reply(json.dumps(ANSWER)[:-1], COST, doubtful=True)
    with pytest.raises(InvalidAnswer, match="no JSON object that is whole"):
        await analyse(WIDGETS, model(half).send, AnswerRoom())


async def test_an_answer_about_another_crd_is_repaired_once() -> None:
    """Such as the first example of the prompt."""
    example = next(line for line in SYSTEM.splitlines() if line.startswith('{"'))
    asked = model(Reply(example, COST), GOOD)
    await analyse(WIDGETS, asked.send, AnswerRoom())

    assert "the answer is about the example volumesnapshots" in asked.prompts[1].messages[-1].text
    with pytest.raises(InvalidAnswer, match="not about Widget widgets"):
        await analyse(WIDGETS, model(*[Reply(example, COST)] * 2).send, AnswerRoom())


async def test_an_answer_that_stands_in_the_thoughts_is_read() -> None:
    found, _ = await analyse(
        WIDGETS, model(Reply("", COST, thoughts=json.dumps(ANSWER))).send, AnswerRoom()
    )

    assert found == Analysis.model_validate(ANSWER)


async def test_an_answer_cut_off_after_its_last_field_is_good() -> None:
    """The end that is missing says nothing more."""
    late = Reply(json.dumps(ANSWER)[:-1], COST, truncated=True)

    assert (await analyse(WIDGETS, model(late).send, AnswerRoom()))[1] == COST


async def test_a_question_too_long_is_shortened_once() -> None:
    """If the short one is too long as well, the error is raised."""
    asked = model(ContextTooLong("x", usage=Usage(requests=1)), GOOD)
    _, usage = await analyse(WIDGETS, asked.send, AnswerRoom())

    assert asked.prompts == [first_prompt(DIGEST), first_prompt(shrunken(DIGEST))]
    assert usage == Usage(requests=2, input_tokens=100, output_tokens=10)
    with pytest.raises(ContextTooLong):
        await analyse(WIDGETS, model(ContextTooLong(), ContextTooLong()).send, AnswerRoom())


async def test_a_shortened_question_can_be_repaired() -> None:
    """The repair repeats the short question."""
    asked = model(ContextTooLong(), BAD, GOOD)
    await analyse(WIDGETS, asked.send, AnswerRoom())

    assert asked.prompts[2].messages[0] == first_prompt(shrunken(DIGEST)).messages[0]


async def test_a_renegotiated_request_is_sent_again_at_once() -> None:
    """As often as there is something to negotiate, and not for ever."""
    steps = [Renegotiated("x", usage=Usage(requests=1))] * RENEGOTIATIONS_MAX
    _, usage = await analyse(WIDGETS, model(*steps, GOOD).send, AnswerRoom())

    assert usage.requests == RENEGOTIATIONS_MAX + 1
    with pytest.raises(Renegotiated):
        await analyse(WIDGETS, model(*steps, Renegotiated("x")).send, AnswerRoom())


@pytest.mark.parametrize("error", [RateLimited("x", retry_after_s=3.0), InferenceError("x")])
async def test_other_errors_are_raised_with_what_was_spent_before(error: InferenceError) -> None:
    """Whether they are worth another attempt is not decided here."""
    with pytest.raises(InferenceError) as raised:
        await analyse(WIDGETS, model(BAD, error).send, AnswerRoom())

    assert raised.value is error
    assert error.usage == COST


async def test_an_unusable_account_is_raised_as_it_is() -> None:
    """The fault is not this question's."""
    error = ProviderUnusable("InvalidCredentials", "x")
    with pytest.raises(ProviderUnusable):
        await analyse(WIDGETS, model(error).send, AnswerRoom())
