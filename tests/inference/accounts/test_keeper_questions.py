"""What the keeper of a provider puts right within one question, and what that costs."""

from decimal import Decimal

import anyio
import pytest

from capscan.core.answer.room import ANSWER_TOKENS_MAX, THINKING_TOKENS_MAX
from capscan.core.errors import AnswerRefused, InvalidAnswer
from tests.inference.accounts.keepers import WIDGETS, case, faulty
from tests.inference.spent import spent
from tests.modelserver.answers import WRONG
from tests.modelserver.behaviour import Behaviour

pytestmark = pytest.mark.anyio


async def test_a_question_is_one_request_and_its_cost_is_known(protocol: str) -> None:
    pricing = {"inputPerMillionTokens": "1", "outputPerMillionTokens": "5"}
    async with case(protocol=protocol, pricing=pricing) as one:
        usage = await one.ask()

        assert (one.sent, usage.requests) == (1, 1)
        assert usage.cost == Decimal(usage.input_tokens + 5 * usage.output_tokens) / 10**6
        assert one.slot.usages[0] == usage


async def test_what_a_server_does_not_count_is_estimated(protocol: str) -> None:
    """Without an estimate no budget would ever hold there."""
    pricing = {"inputPerMillionTokens": "1", "outputPerMillionTokens": "5"}
    async with case(Behaviour(counts=()), protocol=protocol, pricing=pricing) as one:
        usage = await one.ask()

        assert usage == one.keeper.estimate(WIDGETS)
        assert usage.cost > 0
        assert one.slot.usages[0] == usage


@pytest.mark.parametrize(
    ("counted", "other", "told"),
    [
        ("input_tokens", "output_tokens", ("input_tokens", "prompt_tokens")),
        ("output_tokens", "input_tokens", ("output_tokens", "completion_tokens")),
    ],
)
async def test_what_a_server_does_count_is_believed(
    protocol: str, counted: str, other: str, told: tuple[str, ...]
) -> None:
    """Some leave out the prompt's tokens where their cache had it."""
    uncached = Behaviour(cache_tokens_min=10**6)
    async with case(uncached, protocol=protocol) as one:
        whole = await one.ask()
    async with case(uncached.model_copy(update={"counts": told}), protocol=protocol) as one:
        partly, estimate = await one.ask(), one.keeper.estimate(WIDGETS)

    assert getattr(partly, counted) == getattr(whole, counted) != getattr(estimate, counted)
    assert getattr(partly, other) == getattr(estimate, other)


async def test_the_limits_of_the_account_are_charged_the_estimate_too(protocol: str) -> None:
    """They are not charged for ever what an answer might have taken at most."""
    limits = {"outputTokensPerMinute": ANSWER_TOKENS_MAX}
    async with case(Behaviour(counts=()), protocol=protocol, limits=limits) as one:
        with anyio.fail_after(10):
            for _ in range(4):
                await one.ask()


async def test_an_answer_that_was_cut_off_took_all_that_it_could(protocol: str) -> None:
    behaviour = faulty("max_tokens").model_copy(update={"counts": ()})
    async with case(behaviour, protocol=protocol) as one:
        with pytest.raises(InvalidAnswer) as invalid:
            await one.ask()

        tokens = spent(invalid.value).output_tokens
        assert tokens == ANSWER_TOKENS_MAX + THINKING_TOKENS_MAX


@pytest.mark.parametrize("wrong", WRONG)
async def test_no_wrong_answer_is_kept(protocol: str, wrong: str) -> None:
    """Either it can be read all the same, or it is asked for again, once."""
    async with case(faulty("wrong", wrong=wrong, times=1), protocol=protocol) as one:
        await one.ask()

        assert one.sent <= 2


async def test_an_answer_that_stays_wrong_fails_and_what_it_cost_is_counted(protocol: str) -> None:
    async with case(faulty("wrong", wrong="missing_field"), protocol=protocol) as one:
        with pytest.raises(InvalidAnswer) as invalid:
            await one.ask()

        assert one.sent == spent(invalid.value).requests == 2
        assert [usage.requests for usage in one.slot.usages] == [1, 1]


async def test_a_digest_that_is_too_long_is_cut_once(protocol: str) -> None:
    async with case(faulty("too_long", times=1), protocol=protocol) as one:
        await one.ask()

        assert one.sent == 2


@pytest.mark.parametrize("kind", ["stale", "close_after"])
async def test_connections_that_the_server_closes_are_no_failure(protocol: str, kind: str) -> None:
    async with case(faulty(kind, times=1), protocol=protocol) as one:
        for _ in range(3):
            await one.ask()


async def test_a_server_that_knows_no_schemas_is_asked_in_words_and_remembered() -> None:
    async with case(Behaviour(response_formats=()), protocol="OpenAI") as one:
        await one.ask()
        first = one.sent
        await one.ask()

        assert 1 < first <= 3
        assert one.sent == first + 1


async def test_counts_of_one_token_are_not_believed_of_a_refusal_either(protocol: str) -> None:
    behaviour = faulty("refusal").model_copy(update={"counts_as": 1})
    async with case(behaviour, protocol=protocol) as one:
        with pytest.raises(AnswerRefused) as refused:
            await one.ask()

        assert spent(refused.value).input_tokens > 100
