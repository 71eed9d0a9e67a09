"""What the attempts at an item tell the gate that they go through."""

from typing import Any

import anyio
import pytest

from capscan.core.answer.question import Question
from capscan.core.crd.digest import digest_crd
from capscan.core.errors import InferenceTimeout
from capscan.inference.accounts.gate import Gate, Ticket
from capscan.model import Completion, Limits, ScanSpec
from capscan.model.provider import ApiProtocol, Circuit
from capscan.scan.attempts import Attempts
from capscan.scan.flight import Flight
from tests import virtual
from tests.fakes import FreeSlot, crd

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


class Slow:
    """A provider behind its gate; it takes ten minutes for an answer."""

    identity = "slow/1"

    def __init__(self) -> None:
        self.gate = Gate(ApiProtocol.OPENAI, Limits())

    async def complete(self, question: Question, flight: Flight) -> Completion:
        async def call() -> Any:
            async with flight.request():
                await anyio.sleep(600)

        answer: Completion = await self.gate.ask(Ticket(question.flow), call)
        return answer


async def test_an_item_that_runs_out_of_time_leaves_the_circuit_closed() -> None:
    """How long an item may take is one scan's wish; others who ask the provider have time."""
    slow, hasty = Slow(), ScanSpec.model_validate({"itemTimeout": "1s"})
    for _ in range(30):
        with pytest.raises(InferenceTimeout, match=r"no answer within 1s .*, 1 attempt$"):
            await Attempts(slow, lambda: hasty, lambda: 0.0).ask(
                "hasty", digest_crd(crd()), FreeSlot()
            )

    assert anyio.current_time() == pytest.approx(30.0, abs=0.5)
    assert slow.gate.statistics().circuit is Circuit.CLOSED
    assert slow.gate.statistics().permits == Gate(ApiProtocol.OPENAI, Limits()).statistics().permits
