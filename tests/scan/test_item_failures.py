"""What becomes of a CRD that fails."""

from typing import Any

import anyio
import pytest

from capscan.core.crd.digested import DigestedCrd
from capscan.core.errors import InferenceTimeout, MissingPermission, RequestRejected
from capscan.core.run.plan import PlannedItem
from capscan.model import ScanSpec
from capscan.scan.ports import READS_MAX
from tests.fake_cluster import FakeCrds
from tests.fakes import FreeSlot, crd, name_of
from tests.scan.items import NAME, Setting, answers, failure, other_provider

pytestmark = pytest.mark.anyio


async def test_a_failure_is_stored_beside_the_old_analysis() -> None:
    setting = Setting(provider=answers(RequestRejected("no")))
    await setting.analysed()
    other_provider(setting)
    before = setting.stored

    item = failure(await setting.settle())

    entry = setting.store.written[-1]
    assert (entry.failed_run, entry.failed_reason, entry.run_id) == ("r2", "RequestRejected", "r1")
    assert setting.stored.analysis == before.analysis
    assert setting.stored.provenance == before.provenance
    assert setting.stored.last_attempt is not None
    assert setting.stored.last_attempt.message == item.message == "no"


async def test_a_success_takes_an_older_failure_away() -> None:
    setting = Setting(provider=answers(RequestRejected("no")))
    await setting.settle("r1")
    await setting.settle("r2")

    assert setting.stored.last_attempt is None
    assert setting.store.written[-1].failed_run is None


async def test_a_message_without_end_is_shortened() -> None:
    setting = Setting(provider=answers(RequestRejected("no " * 1000)))

    assert len(failure(await setting.settle()).message) <= 500


@pytest.mark.parametrize(
    "bug",
    [ValueError("oops"), TimeoutError(), ExceptionGroup("two", [ValueError("oops")])],
    ids=lambda bug: type(bug).__name__,
)
async def test_a_bug_of_a_provider_is_one_items_failure(
    bug: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The status names the bug, and the log has its traceback."""
    setting = Setting(provider=answers(bug))
    item = failure(await setting.settle())

    assert (item.reason, item.retryable, item.attempts) == ("InternalError", False, 1)
    assert type(bug).__name__ in item.message
    assert caplog.records[-1].exc_info


async def test_a_bug_over_one_odd_crd_is_one_items_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Reading and digesting are code like any other: one CRD must not stop the others."""
    setting = Setting()
    setting.crds.read_error = RecursionError("38 levels")
    item = failure(await setting.settle())

    assert (item.reason, item.attempts) == ("InternalError", 0)
    assert "RecursionError" in item.message
    assert caplog.records[-1].exc_info


async def test_an_answer_that_cannot_be_stored_is_a_failure() -> None:
    setting = Setting()
    setting.store.rejects = {NAME}
    item = failure(await setting.settle())

    assert (item.reason, item.message) == ("StoreRejected", "it does not fit")


async def test_a_missing_permission_is_raised_and_is_no_failure_of_the_item() -> None:
    setting = Setting()
    setting.store.denied = MissingPermission("you may not")

    with pytest.raises(MissingPermission):
        await setting.settle()
    assert not setting.store.written


async def test_a_missing_permission_while_a_failure_is_stored_is_raised_too() -> None:
    setting = Setting(provider=answers(InferenceTimeout("slow")), spec=ScanSpec(max_attempts=1))
    setting.store.denied = MissingPermission("you may not")

    with pytest.raises(MissingPermission):
        await setting.settle()


async def test_few_crds_are_read_at_once() -> None:
    """This holds however many are in flight: the largest take 30 MB each as objects."""
    reading, reading_max = 0, 0

    class SlowCrds(FakeCrds):
        async def read(self, name: str) -> DigestedCrd:
            nonlocal reading, reading_max
            reading += 1
            reading_max = max(reading_max, reading)
            await anyio.sleep(1)
            reading -= 1
            return await super().read(name)

    setting = Setting(crds=SlowCrds(crd(name_of(n)) for n in range(20)))
    settler = setting.settler()

    async def settle(item: PlannedItem) -> Any:
        return await settler(item, FreeSlot())

    async with anyio.create_task_group() as group:
        for n in range(20):
            group.start_soon(settle, await setting.item(name_of(n)))

    assert reading_max == READS_MAX
    assert len(setting.store.written) == 20
