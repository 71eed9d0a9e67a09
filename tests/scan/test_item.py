"""One CRD from its turn to its end."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest

from capscan.core.answer.capability import AnswerRecord, analysed
from capscan.core.crd.digest import digest_crd
from capscan.core.errors import (
    InferenceTimeout,
    InvalidAnswer,
    MissingPermission,
    ProviderUnavailable,
    RequestRejected,
)
from capscan.core.run.events import CrdFailed, CrdScanned, CrdSkipped, CrdUnchanged, Settled
from capscan.core.run.plan import PlannedItem, fingerprint, plan_key
from capscan.model import Capability, Crd, FailedItem, Refresh, ScanSpec
from capscan.scan.item import Settler
from capscan.scan.ports import READS_MAX
from tests import virtual
from tests.fakes import (
    FakeCrds,
    FakeProvider,
    FakeStore,
    FreeSlot,
    completion,
    crd,
    name_of,
    ports,
    ref,
    run,
)
from tests.providers import analysis

pytestmark = pytest.mark.anyio

CRD = crd()
NAME = CRD.name


@dataclass
class Setting:
    """One CRD, and what answers about it."""

    crds: FakeCrds = field(default_factory=lambda: FakeCrds([CRD]))
    store: FakeStore = field(default_factory=FakeStore)
    provider: FakeProvider = field(default_factory=FakeProvider)
    spec: ScanSpec = field(default_factory=ScanSpec)

    async def settle(self, run_id: str = "r2", name: str = NAME) -> Settled:
        return await self.settler(run_id)(await self.item(name), FreeSlot())

    def settler(self, run_id: str = "r2") -> Settler:
        these = ports(self.crds, self.store, self.provider)
        return Settler(these, self.provider, scan="all", run=run(run_id), spec=lambda: self.spec)

    async def item(self, name: str = NAME) -> PlannedItem:
        """As planned from what the store says now."""
        stored = {one.name: one for one in await self.store.list_refs()}
        listed = ref(name)
        return PlannedItem(listed, plan_key(listed, self.provider.identity), stored.get(name))

    async def analysed(self, known: Crd = CRD) -> None:
        """An earlier run has answered about this CRD."""
        mark = fingerprint(digest_crd(known), self.provider.identity)
        answered = AnswerRecord("all", "r1", completion(), mark, 1, virtual.EPOCH)
        key = plan_key(ref(known.name), self.provider.identity)
        await self.store.write(analysed(known, answered, key))

    @property
    def stored(self) -> Capability:
        return self.store.by_name[NAME].capability

    @property
    def attempts(self) -> int:
        """How many it took, as the store has it."""
        assert self.stored.provenance is not None
        return self.stored.provenance.attempts


def failure(outcome: Settled) -> FailedItem:
    assert isinstance(outcome, CrdFailed)
    return outcome.item


def answers(*replies: Exception | None) -> FakeProvider:
    return FakeProvider({NAME: list(replies)})


async def test_an_answer_is_stored_and_then_reported() -> None:
    setting = Setting()

    assert await setting.settle() == CrdScanned(NAME)
    entry = setting.store.written[-1]
    assert (entry.run_id, entry.plan_key) == ("r2", (await setting.item()).plan_key)
    assert setting.stored.analysis == analysis(NAME)
    assert setting.stored.provenance is not None
    assert setting.stored.provenance.provider == "fake"
    assert setting.attempts == 1


async def test_a_crd_that_is_gone_is_skipped() -> None:
    setting = Setting(crds=FakeCrds())

    assert await setting.settle() == CrdSkipped(NAME)
    assert not setting.provider.asked
    assert not setting.store.written


async def test_a_crd_that_moved_on_since_the_listing_is_stored_as_it_was_read() -> None:
    """The key is of what was analysed, so that the next run does not ask again."""
    moved = replace(CRD, generation=9)
    setting = Setting(crds=FakeCrds([moved]))
    await setting.settle()

    assert setting.store.written[-1].plan_key == plan_key(ref(generation=9), "fake/1")


# -- whether to ask


async def test_nobody_is_asked_the_same_question_twice() -> None:
    """The CRD's generation moved, its digest did not."""
    setting = Setting()
    await setting.analysed()
    setting.crds.add(replace(CRD, generation=2))

    assert await setting.settle() == CrdUnchanged(NAME)
    assert not setting.provider.asked
    entry = setting.store.written[-1]
    assert (entry.run_id, entry.plan_key) == ("r1", plan_key(ref(generation=2), "fake/1"))
    assert entry.capability.provenance is not None
    assert entry.capability.provenance.crd_generation == 2


def reworded(setting: Setting) -> None:
    setting.crds.add(replace(CRD, schema={"type": "object", "description": "Else."}))


def other_provider(setting: Setting) -> None:
    setting.provider.identity = "fake/2"


def edited(setting: Setting) -> None:
    setting.store.edit(NAME)


def always(setting: Setting) -> None:
    setting.spec = ScanSpec(refresh=Refresh.ALWAYS)


def failed_before(setting: Setting) -> None:
    kept = setting.store.by_name[NAME]
    kept.ref = replace(kept.ref, failed_run="r1", failed_reason="Timeout")


def emptied(setting: Setting) -> None:
    setting.store.by_name[NAME].capability = Capability()


def deleted(setting: Setting) -> None:
    setting.store.delete(NAME)


@pytest.mark.parametrize(
    "change", [reworded, other_provider, edited, always, failed_before, emptied, deleted]
)
async def test_whatever_makes_the_answer_doubtful_is_asked_again(
    change: Callable[[Setting], None],
) -> None:
    setting = Setting()
    await setting.analysed()
    change(setting)

    assert await setting.settle() == CrdScanned(NAME)
    assert (setting.provider.asked, setting.attempts) == ({NAME: 1}, 1)
    assert setting.stored.analysis == analysis(NAME)


async def test_an_unchanged_crd_whose_capability_is_refused_fails_alone() -> None:
    setting = Setting()
    await setting.analysed()
    setting.store.rejects = {NAME}

    item = failure(await setting.settle())

    assert (item.reason, item.attempts) == ("StoreRejected", 0)


# -- trying again


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


async def test_what_will_not_change_is_not_tried_again() -> None:
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


# -- failing


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
    """Named in the status; its traceback is in the log."""
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


async def test_a_missing_permission_is_not_the_items_fault() -> None:
    setting = Setting()
    setting.store.denied = MissingPermission("you may not")

    with pytest.raises(MissingPermission):
        await setting.settle()
    assert not setting.store.written


async def test_a_missing_permission_while_a_failure_is_stored_passes_too() -> None:
    setting = Setting(provider=answers(InferenceTimeout("slow")), spec=ScanSpec(max_attempts=1))
    setting.store.denied = MissingPermission("you may not")

    with pytest.raises(MissingPermission):
        await setting.settle()


async def test_few_crds_are_read_at_once() -> None:
    """However many are in flight: the largest take 30 MB each as objects."""
    reading, reading_max = 0, 0

    class SlowCrds(FakeCrds):
        async def read(self, name: str) -> Crd:
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
