"""The circuit of a provider, as those who ask meet it."""

import math

import anyio
import pytest

from capscan.core.answer.question import Question
from capscan.core.crd.digest import digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.core.errors import CircuitOpen, ProviderFailed, ProviderOverloaded
from capscan.model import Circuit
from tests.builders import crd
from tests.fakes import flight
from tests.inference.accounts.keepers import case, faulty, until

pytestmark = pytest.mark.anyio


async def test_a_question_that_need_not_wait_is_sent_away_while_the_circuit_is_open() -> None:
    async with case(faulty("status", status=503, times=15)) as one:
        for _ in range(10):
            with pytest.raises(ProviderOverloaded):
                await one.ask()
            statistics = one.keeper.statistics()
            if statistics and statistics.circuit is Circuit.OPEN:
                break
        body = parse_crd(crd("widgets", group="example.com"))
        question = Question(digest_crd(body), "all", 1)
        before = one.sent
        with pytest.raises(CircuitOpen) as away:
            await one.keeper.complete(question, flight(one.slot), wait_while_open=False)

        assert one.sent == before
        assert 0 < away.value.retry_in_s <= 2


@pytest.mark.parametrize(
    ("broke_at_s", "circuit"), [(0.0, Circuit.CLOSED), (math.inf, Circuit.OPEN)]
)
async def test_a_question_that_breaks_the_provider_again_leaves_the_circuit_closed(
    broke_at_s: float, circuit: Circuit
) -> None:
    """Where another question, sent after the first time, was answered."""
    async with case(faulty("status", status=500, names="widgets.*")) as one:
        await one.ask("gadgets")
        for _ in range(9):
            with pytest.raises(ProviderFailed):
                await one.ask(broke_at_s=broke_at_s)
        statistics = one.keeper.statistics()

        assert statistics is not None
        assert statistics.circuit is circuit


async def test_while_somebody_waits_a_look_closes_no_circuit() -> None:
    """Answers may fail where a look finds nothing wrong: a question tells."""
    async with (
        case(faulty("status", status=503), circuitBreaker={"openFor": "1h"}) as one,
        anyio.create_task_group() as group,
    ):
        for _ in range(3):
            with pytest.raises(ProviderOverloaded):
                await one.ask()
        group.start_soon(one.ask)
        await until(lambda: not one.account.is_left_open)
        looks, updates = one.looks, one.sink.updates
        one.keeper.look_again()
        await until(lambda: one.looks > looks and one.sink.updates > updates)

        assert one.sink.ready == ("False", "CircuitOpen")
        group.cancel_scope.cancel()
