"""What a scan says of its end once its provider is back; a real gate, nobody behind it."""

import random
from statistics import fmean

import anyio
import pytest

from capscan.core.answer.question import Question
from capscan.core.pace import Pace
from capscan.inference.accounts.gate import Gate, Ticket
from capscan.model import Completion, Limits, ScanSpec
from capscan.model.provider import ApiProtocol
from capscan.scan.flight import Flight
from tests.fake_cluster import FakeCrds
from tests.fakes import FakeProvider
from tests.inference.accounts.simulated import Allowance, Answer, SimulatedProvider, items
from tests.providers import analysis
from tests.scan.sessions import Setting

pytestmark = pytest.mark.anyio

ITEMS = 500
OUTAGE = (10.0, 18.0)
ERROR_MAX, ERROR_MEAN = 0.25, 0.20
"""Shares of the time from the end of the outage to that of the run: 5 to 250 s."""


class Gated(FakeProvider):
    """Behind a gate."""

    def __init__(self, simulated: SimulatedProvider, gate: Gate) -> None:
        super().__init__()
        self._simulated = simulated
        self._gate = gate

    async def complete(self, question: Question, flight: Flight) -> Completion:
        (item,) = items(1, self._simulated.rng)

        async def call() -> Answer:
            async with flight.request():
                return await self._simulated(item)

        turn = Ticket(question.flow, 1, item.input_tokens, item.output_tokens_max)
        await self._gate.ask(turn, call)
        return Completion(analysis(question.digest.name), self.name, self.model, self.identity)

    def pace(self, flow: str, weight: int) -> Pace:
        return self._gate.pace(flow, weight)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("parallelism", "limits"),
    [
        pytest.param(1, Limits(), id="one at a time"),
        pytest.param(20, Limits(), id="by permits"),
        pytest.param(64, Limits(requests_per_minute=600), id="by requests"),
    ],
)
async def test_the_eta_is_right_as_soon_as_the_provider_is_back(
    parallelism: int, limits: Limits, seed: int
) -> None:
    """Neither refusals in the outage nor the slow start after it are taken for what is to come."""
    rng = random.Random(seed)
    rpm = limits.requests_per_minute
    provider = Gated(
        SimulatedProvider(rng, requests=Allowance(rpm) if rpm else None, outage=OUTAGE),
        Gate(ApiProtocol.OPENAI, limits),
    )
    spec = ScanSpec(parallelism=parallelism)
    session = Setting(crds=FakeCrds.of(ITEMS), provider=provider, spec=spec).session()
    said = []

    async def ask() -> None:
        await anyio.sleep(OUTAGE[1])
        while session.tally is None or session.tally.remaining > 20:
            if session.live.eta_s is not None:
                said.append(anyio.current_time() + session.live.eta_s)
            await anyio.sleep(1)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await session.discover()
        await session.scan()
    end_s = anyio.current_time()

    errors = [abs(then_s - end_s) / (end_s - OUTAGE[1]) for then_s in said]
    assert len(errors) > 3
    assert max(errors) <= ERROR_MAX
    assert fmean(errors) <= ERROR_MEAN
