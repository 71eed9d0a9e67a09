"""What an administrator allows a provider in a day, and how often a scan may begin to ask it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest

from capscan.core.errors import LimitReached, MissingPermission
from capscan.model import ProviderStatus
from tests import virtual
from tests.inference.accounts.keepers import Case, case_without_sockets, provider
from tests.modelserver.behaviour import Behaviour, Latency

pytestmark = pytest.mark.anyio

PRICING = {"inputPerMillionTokens": "1", "outputPerMillionTokens": "5"}
BEFORE_MIDNIGHT_S = 1_800
SLOW = Behaviour(latency=Latency(mean_s=1.0))


@pytest.fixture
def anyio_backend() -> object:
    return virtual.BACKEND


def late() -> datetime:
    """Return a clock's time that begins half an hour before midnight."""
    return virtual.now() + timedelta(days=1, seconds=-BEFORE_MIDNIGHT_S)


def today(one: Case) -> Any:
    """Return what the newest status says of the day."""
    return one.sink.versions[-1].today


def edited(one: Case, generation: int = 2, **spec: Any) -> None:
    one.keeper.observe(provider(one.server.url, generation, **spec))


async def test_a_day_s_tokens_are_never_exceeded_and_the_next_day_goes_on() -> None:
    limit = 40_000
    async with case_without_sockets(SLOW, now=late, limits={"maxTokensPerDay": limit}) as one:
        answered: list[float] = []

        async def ask(name: str) -> None:
            await one.ask(name)
            answered.append(anyio.current_time())

        async with anyio.create_task_group() as group:
            for i in range(40):
                group.start_soon(ask, f"thing{i}")
            await anyio.sleep(600)
            first_day, spent = len(answered), today(one).total_tokens
            ready = one.sink.versions[-1].conditions or []
            says = one.keeper.pace("all", 1)

    assert 0 < first_day < 40
    assert limit * 0.85 < spent <= limit
    assert [(c.type, c.status, c.reason) for c in ready] == [
        ("Ready", "False", "DailyLimitReached"),
        ("Reconciling", "True", "DailyLimitReached"),
        ("Stalled", "False", "DailyLimitReached"),
    ]
    assert says.reason == "DailyLimitReached"
    assert f"has used {spent} of {limit} tokens (spec.limits.maxTokensPerDay)" in says.obstacle
    assert "It goes on at 2026-01-02T00:00:00Z" in says.obstacle
    assert len(answered) == 40
    assert min(answered[first_day:]) >= BEFORE_MIDNIGHT_S


async def test_a_day_s_money_is_never_exceeded_and_a_raised_limit_goes_on_at_once() -> None:
    spec: dict[str, Any] = {"pricing": PRICING, "limits": {"maxCostPerDay": "0.05"}}
    async with case_without_sockets(SLOW, **spec) as one, anyio.create_task_group() as group:
        for i in range(40):
            group.start_soon(one.ask, f"thing{i}")
        await anyio.sleep(600)
        spent, sent = Decimal(today(one).cost), one.sent
        edited(one, pricing=PRICING, limits={"maxCostPerDay": "5"})
        await anyio.sleep(60)

        assert Decimal("0.03") < spent <= Decimal("0.05")
        assert sent < 40 == one.sent
        assert one.sink.ready == ("True", "Usable")


async def test_what_is_sent_is_in_the_written_status_before() -> None:
    """A process that dies has spent nothing that the next one does not know of."""
    limits = {"maxTokensPerDay": 100_000}
    async with case_without_sockets(SLOW, limits=limits) as one:
        await one.until_ready("True", "Usable")
        one.sink.refused = MissingPermission("The operator may not patch it.")
        async with anyio.create_task_group() as group:
            group.start_soon(one.ask)
            await anyio.sleep(300)
            sent_unwritten, says = one.sent, one.keeper.pace("all", 1).obstacle
            one.sink.refused = None

    assert sent_unwritten == 0
    assert says == (
        "What it spends cannot be written down, so it is not asked. The operator may not patch it."
    )
    assert one.sent == 1


async def test_a_restart_goes_on_from_the_status_and_counts_what_was_under_way() -> None:
    limits = {"maxTokensPerDay": 100_000}
    async with case_without_sockets(SLOW, limits=limits) as one:
        await one.ask("first")
        async with anyio.create_task_group() as group:
            group.start_soon(one.ask, "second")
            await anyio.sleep(0.5)
            left = today(one)
            group.cancel_scope.cancel()

    status = ProviderStatus(today=left)
    async with case_without_sockets(SLOW, left=status, limits=limits) as two:
        await two.ask("third")
        await anyio.sleep(5)

        assert left.set_aside.tokens > 2_000
        assert today(two).total_tokens > left.total_tokens + left.set_aside.tokens


async def test_an_orderly_end_leaves_nothing_set_aside() -> None:
    async with case_without_sockets(SLOW, limits={"maxTokensPerDay": 100_000}) as one:
        await one.ask()
        one.deleted.set()
        await anyio.sleep(1)

        assert today(one).requests == 1
        assert today(one).set_aside is None


async def test_a_question_that_was_cancelled_counts_for_the_most_that_it_may_take() -> None:
    """A model that thinks is billed for what nobody waits for."""
    async with case_without_sockets(SLOW) as one:
        with anyio.move_on_after(0.5):
            await one.ask()
        await anyio.sleep(15)

        assert today(one).output_tokens == 2_048


async def test_a_status_that_shows_yesterday_is_cleared_at_midnight() -> None:
    async with case_without_sockets(now=late) as one:
        await one.ask()
        await anyio.sleep(20)
        before = today(one)
        await anyio.sleep(BEFORE_MIDNIGHT_S)

        assert before.requests == 1
        assert today(one) is None


async def test_a_request_that_may_not_wait_is_turned_away_from_a_day_that_is_used_up() -> None:
    left = ProviderStatus.model_validate(
        {"today": {"date": virtual.EPOCH.date(), "requests": 9, "inputTokens": 5_000}}
    )
    async with case_without_sockets(left=left, limits={"maxTokensPerDay": 5_000}) as one:
        with pytest.raises(LimitReached, match="has used 5000 of 5000 tokens"):
            await one.ask(wait=False)

        assert one.sent == 0


async def test_one_question_is_asked_however_small_the_limit_is() -> None:
    async with case_without_sockets(limits={"maxTokensPerDay": 10}) as one:
        assert (await one.ask()).output_tokens > 10


async def test_a_scan_begins_one_run_in_the_interval_whatever_becomes_of_its_object() -> None:
    """A run is let through as a whole; one of a scan of another name is not held up."""
    began: dict[str, float] = {}
    async with case_without_sockets(minimumRunInterval="1h") as one:

        async def ask(scan: str, run: str) -> None:
            await one.ask(scan=scan, run=run)
            began.setdefault(f"{scan}/{run}", anyio.current_time())

        await ask("all", "r1")
        await ask("all", "r1")
        async with anyio.create_task_group() as group:
            group.start_soon(ask, "all", "r2")
            await anyio.sleep(10)
            await ask("other", "r9")
            pace = one.keeper.pace("all", 1)
            ready = one.sink.ready

    assert pace.reason == "RunTooSoon"
    assert "spec.minimumRunInterval" in pace.obstacle
    assert ready == ("True", "Usable")
    assert began["other/r9"] < 60
    assert 3600 <= began["all/r2"] < 3660


async def test_a_run_that_has_begun_is_remembered_over_a_restart() -> None:
    async with case_without_sockets(minimumRunInterval="1h") as one:
        await one.ask(run="r1")
        left = one.sink.versions[-1]
    async with case_without_sockets(minimumRunInterval="1h", left=left) as two:
        with anyio.move_on_after(1800) as waiting:
            await two.ask(run="r2")
        await two.ask(run="r1")

    assert waiting.cancelled_caught
    assert two.sent == 1


async def test_usage_of_one_token_is_not_believed() -> None:
    """Otherwise no limit would ever hold at a server that counts so."""
    async with case_without_sockets() as one:
        usage = await one.ask()
    async with case_without_sockets(Behaviour(counts_as=1)) as two:
        understated = await two.ask()

    assert usage.input_tokens / 4 < understated.input_tokens < usage.input_tokens
    assert understated.output_tokens > 5
