"""The gate before servers that others run: few slots, one bucket without a burst, one early 429."""

import math
import random
from typing import Any

import anyio
import httpx2
import pytest

from capscan.core.errors import RateLimited
from capscan.inference.accounts.account import Account
from capscan.inference.accounts.allowance import Allowance
from capscan.inference.accounts.connection import Connections
from capscan.inference.accounts.gate import Gate
from capscan.model import Limits, ProviderSpec, ProviderStatus, SecretKeyRef, Usage
from capscan.model.api_key import ApiKey
from capscan.model.provider import ApiProtocol
from tests import virtual
from tests.inference.accounts.gates import OK, TICKET, together
from tests.inference.accounts.simulated import Answer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


async def taken_s(gate: Gate, server: Any, count: int, workers: int) -> float:
    """Return how long so many answers take."""
    left, began_s = iter(range(count)), anyio.current_time()

    async def work() -> None:
        for _ in left:
            await gate.ask(TICKET, server)

    await together(workers, work)
    return anyio.current_time() - began_s


class Processor:
    """Works on at most four at once, and on more than one with 0.72 of its speed in all."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.slots = anyio.Semaphore(4)
        self.busy = 0

    async def __call__(self) -> Answer:
        async with self.slots:
            self.busy += 1
            tokens = 200 * math.exp(self.random.gauss(0.0, 0.3))
            left_s = 1.28 * tokens / 200
            while left_s > 0:
                await anyio.sleep(0.05)
                left_s -= 0.05 if self.busy == 1 else 0.05 * 0.72 / self.busy
            self.busy -= 1
        return Answer(Usage(1, 100, 0, int(tokens)), None)


@pytest.mark.parametrize("seed", range(4))
async def test_a_server_without_use_for_more_is_hardly_slower_than_one_at_a_time(seed: int) -> None:
    alone = Gate(ApiProtocol.OPENAI, Limits(max_in_flight=1))
    least_s = await taken_s(alone, Processor(seed), 43, 10)
    near = Gate(ApiProtocol.OPENAI, Limits())
    near.climb_from_one()

    assert await taken_s(near, Processor(seed), 43, 10) <= 1.06 * least_s
    assert near.statistics().permits <= 2


class OneAfterAnother:
    """A gateway that takes so many a second, not two of them close together, and says nothing."""

    def __init__(self, rate_per_s: float) -> None:
        self.rate_per_s = rate_per_s
        self.last_s = -math.inf
        self.random = random.Random(1)

    async def __call__(self) -> Answer:
        await anyio.sleep(self.random.uniform(0.0005, 0.01))
        if anyio.current_time() < self.last_s + 1 / self.rate_per_s:
            raise RateLimited("429 Too Many Requests")
        self.last_s = anyio.current_time()
        await anyio.sleep(0.5 * math.exp(self.random.gauss(0.0, 0.4)))
        return OK


@pytest.mark.parametrize(("count", "most"), [(60, 1.15), (200, 1.1)])
async def test_the_rate_of_a_gateway_that_takes_no_burst_is_found(count: int, most: float) -> None:
    gate = Gate(ApiProtocol.OPENAI, Limits())
    took_s = await taken_s(gate, OneAfterAnother(2.0), count, 4)

    assert took_s <= most * (count / 2.0 + 0.5)


@pytest.mark.parametrize("workers", [1, 4, 10])
async def test_one_early_429_slows_nothing_down_after_its_wait(workers: int) -> None:
    refusals = [RateLimited("wait", retry_after_s=45.0)]

    async def server() -> Answer:
        await anyio.sleep(0.05)
        if refusals:
            raise refusals.pop()
        await anyio.sleep(3.0)
        return OK

    took_s = await taken_s(Gate(ApiProtocol.OPENAI, Limits()), server, 40, workers)

    assert took_s <= 45 + 1.3 * (40 / workers * 3.05)


@pytest.mark.parametrize(("owner", "permits"), [("llamacpp", 1), ("vllm", 16)])
async def test_a_free_look_tells_which_server_is_asked_one_at_a_time_at_first(
    owner: str, permits: int
) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.method == "GET"
        return httpx2.Response(200, json={"data": [{"id": "m", "owned_by": owner}]})

    spec = ProviderSpec.model_validate(
        {"protocol": "OpenAI", "model": "m", "baseURL": "http://models.ai.svc/v1"}
    )

    async def no_key(_: SecretKeyRef) -> ApiKey:
        raise AssertionError("this provider names no Secret")

    allowance = Allowance("local", spec, ProviderStatus(), lambda: virtual.EPOCH)
    connections = Connections(httpx2.MockTransport(answer))
    account = Account("local", spec, connections, no_key, allowance)

    await account.verify()

    statistics = account.statistics()
    assert statistics is not None
    assert statistics.permits == permits
    await account.aclose()
