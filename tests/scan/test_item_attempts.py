"""How often one CRD is asked about, and how long that may take."""

import anyio
import pytest

from capscan.core.errors import InvalidAnswer, ProviderUnavailable, RequestRejected
from capscan.core.run.events import CrdScanned, Settled
from capscan.model import ScanSpec
from tests.fakes import FakeProvider
from tests.scan.items import NAME, Setting, answers, failure

pytestmark = pytest.mark.anyio


async def test_a_retry_that_succeeds_is_a_success() -> None:
    setting = Setting(provider=answers(ProviderUnavailable("away"), InvalidAnswer("?"), None))

    assert await setting.settle() == CrdScanned(NAME)
    assert anyio.current_time() == pytest.approx(1 + 2)
    assert setting.attempts == 3


async def test_the_attempts_are_bounded() -> None:
    setting = Setting(
        provider=answers(*[ProviderUnavailable("away")] * 9), spec=ScanSpec(max_attempts=3)
    )
    item = failure(await setting.settle())

    assert (item.reason, item.attempts, item.retryable) == ("ProviderUnavailable", 3, True)
    assert setting.provider.asked == {NAME: 3}


async def test_a_rejected_request_is_not_tried_again() -> None:
    setting = Setting(provider=answers(RequestRejected("not to my taste")))
    item = failure(await setting.settle())

    assert (item.reason, item.attempts, item.retryable) == ("RequestRejected", 1, False)
    assert item.message == "not to my taste"
    assert anyio.current_time() == 0


async def test_a_wait_that_the_provider_asks_for_is_kept() -> None:
    setting = Setting(provider=answers(ProviderUnavailable("later", retry_after_s=40), None))
    await setting.settle()

    assert anyio.current_time() == pytest.approx(40)


async def test_the_time_of_an_item_includes_its_pauses() -> None:
    provider = answers(*[ProviderUnavailable("later", retry_after_s=20)] * 9)
    setting = Setting(
        provider=provider, spec=ScanSpec.model_validate({"itemTimeout": "50s", "maxAttempts": 20})
    )
    item = failure(await setting.settle())

    assert anyio.current_time() == pytest.approx(40)  # another 20 s would be too late
    assert (item.reason, item.attempts) == ("Timeout", 3)
    assert (
        item.message
        == "no answer within 50s (spec.itemTimeout), 3 attempts; the last error was: later"
    )


async def test_a_provider_that_never_answers_is_given_up_in_time() -> None:
    setting = Setting(provider=FakeProvider(delay_s=10_000))
    item = failure(await setting.settle())

    assert anyio.current_time() == pytest.approx(120)
    assert item.message == "no answer within 2m (spec.itemTimeout), 1 attempt"


async def test_waiting_for_a_turn_at_the_provider_is_not_counted() -> None:
    """What is late is a request, not a question in a queue."""
    provider = answers(ProviderUnavailable("away"), None)
    provider.busy_s, provider.delay_s = 3600.0, 20.0
    setting = Setting(provider=provider, spec=ScanSpec.model_validate({"itemTimeout": "50s"}))

    assert await setting.settle() == CrdScanned(NAME)
    assert anyio.current_time() == pytest.approx(2 * 3620 + 1)
    assert setting.attempts == 2


async def test_an_edit_of_the_attempts_counts_for_items_in_flight() -> None:
    setting = Setting(provider=answers(*[ProviderUnavailable("later", retry_after_s=10)] * 9))
    outcomes: list[Settled] = []

    async def settle() -> None:
        outcomes.append(await setting.settle())

    async with anyio.create_task_group() as group:
        group.start_soon(settle)
        await anyio.sleep(5)
        setting.spec = ScanSpec(max_attempts=2)

    assert failure(outcomes[0]).attempts == 2
