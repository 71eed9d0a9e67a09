"""Who is asked while a circuit is open."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import anyio
import pytest

from capscan.core.answer.question import Question
from capscan.core.crd.digest import Digest, digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.core.errors import CircuitOpen, ProviderUnusable, RateLimited
from capscan.core.pace import Pace
from capscan.inference.accounts.route import Route
from capscan.inference.flight import Flight
from capscan.model import Completion, Usage
from tests import virtual
from tests.builders import crd
from tests.fakes import flight
from tests.providers import analysis

pytestmark = pytest.mark.anyio

QUESTION = Question(digest_crd(parse_crd(crd("widgets"))), "all", 1)


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
        self.asks_to_wait = ""
        self.asked_at_s: list[float] = []
        self.cost: Decimal | None = None

    async def complete(
        self, _: Question, __: Flight, *, wait_while_open: bool = True
    ) -> Completion:
        if self.unusable:
            raise ProviderUnusable("InvalidCredentials", "no")
        left_s = self.closed_at_s - anyio.current_time()
        if left_s > 0 and not wait_while_open:
            raise CircuitOpen("away", retry_in_s=left_s)
        await anyio.sleep(max(0.0, left_s))
        self.asked_at_s.append(anyio.current_time())
        return Completion(analysis(), self.name, self.model, self.identity)

    @property
    def is_priced(self) -> bool:
        return self.cost is not None

    def estimate(self, _: Digest) -> Usage:
        return Usage(1, cost=self.cost or Decimal(0))

    def pace(self, *_: object) -> Pace:
        left_s = self.closed_at_s - anyio.current_time()
        if left_s <= 0:
            return Pace(obstacle=self.asks_to_wait)
        return Pace(wait_s=left_s, returns=False, obstacle=f"{self.name} is away")


def route(*stands: Any) -> Route:
    return Route(stands[0], lambda: list(stands))


async def answered_by(*stands: Stand) -> str:
    return (await route(*stands).complete(QUESTION, flight())).provider


async def test_the_named_provider_answers_as_long_as_it_can() -> None:
    assert await answered_by(Stand("first"), Stand("second")) == "first"


async def test_a_fallback_stands_in_while_the_circuit_is_open() -> None:
    first = Stand("first", closed_at_s=60)

    assert await answered_by(first, Stand("second")) == "second"
    assert anyio.current_time() == 0
    await anyio.sleep(61)
    assert await answered_by(first, Stand("second")) == "first"


async def test_a_provider_without_a_fallback_is_waited_for() -> None:
    assert await answered_by(Stand("first", closed_at_s=60)) == "first"
    assert anyio.current_time() == pytest.approx(60)


async def test_when_all_circuits_are_open_the_first_to_close_answers() -> None:
    assert await answered_by(Stand("first", 600), Stand("second", 30)) == "second"
    assert anyio.current_time() == pytest.approx(30)


async def test_an_unusable_fallback_is_passed_over() -> None:
    broken = Stand("second")
    broken.unusable = True

    assert await answered_by(Stand("first", 60), broken, Stand("third")) == "third"


async def test_a_fault_of_the_named_provider_is_raised() -> None:
    broken = Stand("first")
    broken.unusable = True

    with pytest.raises(ProviderUnusable):
        await answered_by(broken, Stand("second"))


async def test_an_answer_of_a_fallback_has_the_identity_of_the_named_provider() -> None:
    """So a fallback's answer is still what the scan wanted."""
    way = route(Stand("first", 60), Stand("second"))
    answer = await way.complete(QUESTION, flight())

    assert (answer.provider, answer.identity) == ("second", "first")
    assert (way.name, way.model, way.identity) == ("first", "first/1", "first")


async def test_there_is_no_obstacle_while_a_fallback_stands_in() -> None:
    assert route(Stand("first", 60), Stand("second")).pace("all", 1).obstacle == ""
    away = route(Stand("first", 60), Stand("second", 90)).pace("all", 1)
    assert (away.obstacle, away.wait_s, away.stand_in) == ("first is away", 60, "")


async def test_the_pace_names_the_fallback_that_stands_in() -> None:
    """It is the first one whose circuit is closed, though that one may ask to wait, too."""
    first, second, third = Stand("first", 60), Stand("second", 90), Stand("third")
    way = route(first, second, third)

    assert way.pace("all", 1).stand_in == "third"
    third.asks_to_wait = "third asked to wait"
    assert way.pace("all", 1) == Pace(obstacle="third asked to wait", stand_in="third")
    await anyio.sleep(61)
    assert way.pace("all", 1) == Pace()


async def test_no_fallback_stands_in_for_a_provider_that_only_asks_to_wait() -> None:
    """The wait is waited out, so it is what the pace tells."""
    first = Stand("first")
    first.asks_to_wait = "first asked to wait"

    assert route(first, Stand("second")).pace("all", 1) == Pace(obstacle="first asked to wait")


class Busy(Stand):
    """Each question waits for its turn, and is then under way, so long."""

    def __init__(self, name: str, turn_in_s: float = 0.0, answers_in_s: float = 0.0) -> None:
        super().__init__(name)
        self.turn_in_s = turn_in_s
        self.answers_in_s = answers_in_s
        self.sent = 0

    async def complete(
        self,
        question: Question,  # noqa: ARG002
        flight: Flight,
        *,
        wait_while_open: bool = True,  # noqa: ARG002
    ) -> Completion:
        await anyio.sleep(self.turn_in_s)
        async with flight.request():
            self.sent += 1
            await anyio.sleep(self.answers_in_s)
        return Completion(analysis(), self.name, self.model, self.identity)


class Way:
    """A route whose stands come and go while one question is on it."""

    def __init__(self, *stands: Stand) -> None:
        self.stands = list(stands)
        self.route = Route(stands[0], self._chain)  # type: ignore[arg-type]

    def _chain(self) -> list[Any]:
        if not self.stands:
            raise ProviderUnusable("ProviderNotFound", "There is none.")
        return self.stands

    async def answered_by(self, *then: Stand, after_s: float) -> str:
        """Who answers, where these are the stands from that moment on."""
        async with anyio.create_task_group() as group:

            async def change() -> None:
                await anyio.sleep(after_s)
                self.stands = list(then)
                self.route.look_again()

            group.start_soon(change)
            return (await self.route.complete(QUESTION, flight())).provider
        raise AssertionError


async def test_a_question_that_waits_for_a_removed_fallback_goes_back_at_once() -> None:
    first, removed = Stand("first", 60), Busy("second", turn_in_s=3600)

    assert await Way(first, removed).answered_by(first, after_s=5) == "first"
    assert anyio.current_time() == pytest.approx(60)
    assert removed.sent == 0


async def test_a_question_that_waits_turns_to_a_new_fallback() -> None:
    first, added = Stand("first", 3600), Stand("second")

    assert await Way(first).answered_by(first, added, after_s=5) == "second"
    assert anyio.current_time() == pytest.approx(5)


async def test_a_question_that_waits_for_all_providers_turns_to_a_new_one() -> None:
    first, second, added = Stand("first", 3600), Stand("second", 3600), Stand("third")

    assert await Way(first, second).answered_by(first, second, added, after_s=5) == "third"
    assert anyio.current_time() == pytest.approx(5)


async def test_a_question_does_not_wait_for_a_deleted_provider() -> None:
    way = Way(Stand("first", 3600))

    with pytest.raises(ExceptionGroup) as raised:
        await way.answered_by(after_s=5)
    assert raised.group_contains(ProviderUnusable, match="There is none")
    assert anyio.current_time() == pytest.approx(5)


async def test_a_request_that_was_sent_is_waited_for() -> None:
    """It is paid for, whichever provider is named now."""
    first, removed = Stand("first", 60), Busy("second", answers_in_s=10)

    assert await Way(first, removed).answered_by(first, after_s=5) == "second"
    assert anyio.current_time() == pytest.approx(10)


async def test_a_refused_request_is_not_sent_again_to_a_removed_fallback() -> None:
    class Refusing(Busy):
        async def complete(
            self,
            question: Question,  # noqa: ARG002
            flight: Flight,
            *,
            wait_while_open: bool = True,  # noqa: ARG002
        ) -> Completion:
            for _ in range(2):
                with suppress(RateLimited):
                    async with flight.request():
                        self.sent += 1
                        await anyio.sleep(self.answers_in_s)
                        raise RateLimited
                await anyio.sleep(600)  # as the gate does
            raise AssertionError

    first, removed = Stand("first", 60), Refusing("second", answers_in_s=10)

    assert await Way(first, removed).answered_by(first, after_s=5) == "first"
    assert removed.sent == 1


async def test_a_repair_is_not_asked_of_a_removed_fallback() -> None:
    class Rambling(Busy):
        async def complete(
            self,
            question: Question,  # noqa: ARG002
            flight: Flight,
            *,
            wait_while_open: bool = True,  # noqa: ARG002
        ) -> Completion:
            async with flight.request():
                await anyio.sleep(self.answers_in_s)
            await anyio.sleep(600)  # as the gate does, before the repair
            raise AssertionError

    first, removed = Stand("first", 10), Rambling("second", answers_in_s=10)

    assert await Way(first, removed).answered_by(first, after_s=5) == "first"
    assert anyio.current_time() == pytest.approx(10)


def test_the_estimate_is_that_of_the_dearest_provider() -> None:
    """Whoever answers, the budget has to hold; without all prices nobody knows."""
    first, dear, free = Stand("first"), Stand("second"), Stand("third")
    first.cost, dear.cost, free.cost = Decimal(1), Decimal(3), None

    assert route(first, dear).is_priced
    assert route(first, dear).estimate(QUESTION.digest).cost == 3
    assert not route(first, dear, free).is_priced


async def test_a_change_of_other_providers_disturbs_no_question() -> None:
    first = Busy("first", turn_in_s=60)

    assert await Way(first).answered_by(first, after_s=5) == "first"
    assert anyio.current_time() == pytest.approx(60)
