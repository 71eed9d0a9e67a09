"""One CRD from its turn to its end: whether it is asked about, and what is stored."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from capscan.core.run.events import CrdScanned, CrdSkipped, CrdUnchanged
from capscan.core.run.plan import plan_key
from capscan.model import Capability, Refresh, ScanSpec
from tests.fake_cluster import FakeCrds
from tests.fakes import ref
from tests.providers import analysis
from tests.scan.items import CRD, NAME, Setting, failure, other_provider

pytestmark = pytest.mark.anyio


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
async def test_a_crd_whose_answer_is_doubtful_is_asked_about_again(
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
