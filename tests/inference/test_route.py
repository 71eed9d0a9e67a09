"""Who is asked while a circuit is open."""

from typing import Any

import anyio
import pytest

from capscan.core.crd import parse_crd
from capscan.core.digest import digest_crd
from capscan.core.errors import CircuitOpen, ProviderUnusable
from capscan.core.question import Pace, Question
from capscan.inference.route import Route
from capscan.model import Completion
from tests import virtual
from tests.builders import crd
from tests.fakes import FreeSlot
from tests.providers import analysis

pytestmark = pytest.mark.anyio

QUESTION = Question(digest_crd(parse_crd(crd("widgets"))), "all", 1, FreeSlot().flight)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


class Stand:
    """A keeper whose circuit is open until `closed_at_s`, if it is closed at all."""

    def __init__(self, name: str, closed_at_s: float = 0.0) -> None:
        self.name = name
        self.model = f"{name}/1"
        self.identity = name
        self.closed_at_s = closed_at_s
        self.unusable = False
        self.asked_at_s: list[float] = []

    async def complete(self, _: Question, *, wait_while_open: bool = True) -> Completion:
        if self.unusable:
            raise ProviderUnusable("InvalidCredentials", "no")
        left_s = self.closed_at_s - anyio.current_time()
        if left_s > 0 and not wait_while_open:
            raise CircuitOpen("away", retry_in_s=left_s)
        await anyio.sleep(max(0.0, left_s))
        self.asked_at_s.append(anyio.current_time())
        return Completion(analysis(), self.name, self.model, self.identity)

    def pace(self, *_: object) -> Pace:
        left_s = self.closed_at_s - anyio.current_time()
        return Pace(wait_s=max(0.0, left_s), obstacle=f"{self.name} is away" if left_s > 0 else "")


def route(*stands: Any) -> Route:
    return Route(stands[0], lambda: list(stands))


async def answered_by(*stands: Stand) -> str:
    return (await route(*stands).complete(QUESTION)).provider


async def test_the_one_that_is_named_answers_as_long_as_it_can() -> None:
    assert await answered_by(Stand("first"), Stand("second")) == "first"


async def test_another_one_stands_in_while_its_circuit_is_open() -> None:
    first = Stand("first", closed_at_s=60)

    assert await answered_by(first, Stand("second")) == "second"
    assert anyio.current_time() == 0
    await anyio.sleep(61)
    assert await answered_by(first, Stand("second")) == "first"


async def test_without_another_one_it_is_waited_for() -> None:
    assert await answered_by(Stand("first", closed_at_s=60)) == "first"
    assert anyio.current_time() == pytest.approx(60)


async def test_when_all_are_away_the_first_to_be_back_answers() -> None:
    assert await answered_by(Stand("first", 600), Stand("second", 30)) == "second"
    assert anyio.current_time() == pytest.approx(30)


async def test_one_that_cannot_be_asked_at_all_stands_in_for_nobody() -> None:
    broken = Stand("second")
    broken.unusable = True

    assert await answered_by(Stand("first", 60), broken, Stand("third")) == "third"


async def test_a_fault_of_the_one_that_is_named_is_told_and_not_covered_up() -> None:
    broken = Stand("first")
    broken.unusable = True

    with pytest.raises(ProviderUnusable):
        await answered_by(broken, Stand("second"))


async def test_it_goes_by_the_name_of_the_one_that_was_asked_for() -> None:
    """So that an answer of another one is still what the scan wanted."""
    way = route(Stand("first", 60), Stand("second"))
    answer = await way.complete(QUESTION)

    assert (answer.provider, answer.identity) == ("second", "first")
    assert (way.name, way.model, way.identity) == ("first", "first/1", "first")


async def test_nothing_is_in_the_way_while_somebody_stands_in() -> None:
    assert route(Stand("first", 60), Stand("second")).pace("all", 1).obstacle == ""
    away = route(Stand("first", 60), Stand("second", 90)).pace("all", 1)
    assert (away.obstacle, away.wait_s) == ("first is away", 60)
