"""Runs in which the provider breaks over some questions, each time they are asked (500)."""

import random
from statistics import fmean

import anyio
import pytest

from capscan.core.answer.question import Question
from capscan.core.errors import ProviderFailed
from capscan.core.pace import Pace
from capscan.inference.accounts.gate import Gate, Ticket
from capscan.model import Completion, Limits, ScanSpec
from capscan.model.completion import NO_USAGE
from capscan.model.provider import ApiProtocol, Circuit
from capscan.scan.flight import Flight
from tests.fake_cluster import FakeCrds
from tests.fakes import FakeProvider, name_of
from tests.inference.accounts.simulated import Answer
from tests.providers import analysis
from tests.scan.sessions import Setting

pytestmark = pytest.mark.anyio

ITEMS = 300


class Breaking(FakeProvider):
    """Behind a gate; it remembers in which states the circuit was, and when a question broke it.
    It breaks as slowly as it answers, or `at_once`.
    """

    def __init__(self, names: set[str], rng: random.Random, *, at_once: bool = False) -> None:
        super().__init__()
        self.circuits: set[Circuit] = set()
        self.broke_at_s: dict[str, list[float]] = {}
        self._names = names
        self._at_once = at_once
        self._rng = rng
        self._gate = Gate(ApiProtocol.OPENAI, Limits())

    async def complete(self, question: Question, flight: Flight) -> Completion:
        name = question.digest.name

        async def call() -> Answer:
            async with flight.request():
                if not (self._at_once and name in self._names):
                    await anyio.sleep(self._rng.uniform(0.5, 3))
                if name in self._names:
                    self.broke_at_s.setdefault(name, []).append(question.broke_at_s)
                    raise ProviderFailed("500")
            return Answer(NO_USAGE, None)

        try:
            await self._gate.ask(Ticket(question.flow, broke_at_s=question.broke_at_s), call)
        finally:
            self.circuits.add(self._gate.statistics().circuit)
        return Completion(analysis(name), self.name, self.model, self.identity)

    def pace(self, flow: str, weight: int) -> Pace:
        return self._gate.pace(flow, weight)


def setting(provider: FakeProvider) -> Setting:
    """All of them are asked about, however many fail."""
    spec = ScanSpec(parallelism=10, max_failed_percent=100)
    return Setting(crds=FakeCrds.of(ITEMS), provider=provider, spec=spec)


@pytest.mark.parametrize("seed", range(5))
async def test_questions_that_always_break_the_provider_do_not_open_its_circuit(seed: int) -> None:
    """One question in eight breaks it; towards the end of the run hardly any other is asked."""
    rng = random.Random(seed)
    names = {name_of(n) for n in rng.sample(range(ITEMS), ITEMS // 8)}
    provider = Breaking(names, rng)
    session = await setting(provider).work()

    assert session.tally is not None
    assert session.tally.failed == len(names)
    assert session.tally.completed == ITEMS - len(names)
    assert provider.circuits == {Circuit.CLOSED}


async def test_a_question_says_when_it_first_broke_the_provider() -> None:
    """Each of its attempts after the first names the first one's end."""
    provider = Breaking({name_of(0)}, random.Random(0))
    await setting(provider).work()
    first_s, *again_s = provider.broke_at_s[name_of(0)]

    assert first_s == float("inf")
    assert len(again_s) == ScanSpec().max_attempts - 1
    assert len(set(again_s)) == 1
    assert 0.5 <= again_s[0] <= 3.0


@pytest.mark.parametrize("seed", range(5))
async def test_immediate_refusals_do_not_move_the_estimated_end(seed: int) -> None:
    """They say nothing of how long an answer takes: taken for answers, they put the end of a run
    off to up to ten times the time that it took.
    """
    rng = random.Random(seed)
    names = {name_of(n) for n in rng.sample(range(ITEMS), ITEMS // 8)}
    session = setting(Breaking(names, rng, at_once=True)).session()
    said: list[tuple[float, float]] = []

    async def listen() -> None:
        while True:
            await anyio.sleep(1)
            if session.live.eta_s is not None:
                said.append((anyio.current_time(), session.live.eta_s))

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await session.discover()
        await session.scan()
        group.cancel_scope.cancel()
    end_s = anyio.current_time()
    errors = [abs(at_s + left_s - end_s) / end_s for at_s, left_s in said if at_s < 0.95 * end_s]

    assert len(errors) > 20
    assert fmean(errors) <= 0.5
