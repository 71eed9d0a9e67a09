"""What every store keeps: the one in memory, and Capability objects on a real API server."""

from contextlib import aclosing
from dataclasses import replace

import pytest

from capscan.core.answer import capability
from capscan.core.answer.capability import Entry
from capscan.model import Capability, StoredRef
from capscan.store.ports import NamedCapability
from tests.fakes import crd, failed_item
from tests.store.entries import CRD, NAME, answer
from tests.store.harness import Case

pytestmark = pytest.mark.anyio


async def failure(case: Case, run_id: str = "r2") -> Entry:
    """Return what is written after a failure, given what is stored."""
    known = await case.store.read(NAME)
    stored = await only(case) if known else None
    return capability.failed(CRD, known, stored, failed_item(NAME), run_id)


async def only(case: Case) -> StoredRef:
    """Return the reference of the only Capability."""
    (ref,) = await case.store.list_refs()
    return ref


async def everything(case: Case) -> list[NamedCapability]:
    """Return all that a reader gets, sorted by name."""
    async with aclosing(case.store.list_all()) as listing:
        return sorted([found async for found in listing], key=lambda found: found.name)


async def read(case: Case, name: str = NAME) -> Capability:
    found = await case.store.read(name)
    assert found is not None
    return found


async def test_a_new_store_is_empty(case: Case) -> None:
    assert await case.store.list_refs() == []
    assert await case.store.read(NAME) is None
    assert await everything(case) == []


async def test_a_check_writes_nothing(case: Case) -> None:
    await case.store.check()

    assert await case.store.list_refs() == []


async def test_an_entry_that_was_written_is_read(case: Case) -> None:
    entry = answer()
    await case.store.write(entry)

    assert await read(case) == entry.capability


async def test_the_listing_says_what_planning_needs(case: Case) -> None:
    await case.store.write(answer())
    ref = await only(case)

    assert ref == StoredRef(
        name=NAME, uid=ref.uid, crd_uid=CRD.uid, plan_key="key of r1", run_id="r1"
    )
    assert ref.uid


async def test_all_capabilities_are_listed(case: Case) -> None:
    names = [f"{kind}.example.com" for kind in ("c", "a", "b")]
    for name in names:
        await case.store.write(answer(of=crd(name)))

    assert {ref.name for ref in await case.store.list_refs()} == set(names)


async def test_a_reader_gets_every_capability_in_full(case: Case) -> None:
    answered, other = answer(), answer(of=crd("b.example.com"))
    for entry in (answered, other):
        await case.store.write(entry)

    assert await everything(case) == [
        NamedCapability("b.example.com", other.capability),
        NamedCapability(NAME, answered.capability),
    ]


async def test_a_reader_gets_capabilities_that_never_had_an_answer_too(case: Case) -> None:
    """They carry the failed attempt, which a command shows; a search leaves them out by itself."""
    entry = await failure(case)
    await case.store.write(entry)

    assert await everything(case) == [NamedCapability(NAME, entry.capability)]


async def test_a_reader_may_leave_a_listing_early(case: Case) -> None:
    for name in ("a.example.com", "b.example.com"):
        await case.store.write(answer(of=crd(name)))

    async with aclosing(case.store.list_all()) as listing:
        await anext(listing)

    assert len(await everything(case)) == 2


async def test_an_entry_replaces_the_one_before_and_the_object_stays(case: Case) -> None:
    await case.store.write(answer())
    before = await only(case)
    entry = answer("r2", "Better.")
    await case.store.write(entry)

    assert await read(case) == entry.capability
    assert await only(case) == replace(before, run_id="r2", plan_key="key of r2")


async def test_writing_the_same_again_changes_nothing(case: Case) -> None:
    await case.store.write(answer())
    before = await only(case)
    await case.store.write(answer())

    assert await only(case) == before


async def test_a_first_failure_is_kept_alone(case: Case) -> None:
    entry = await failure(case)
    await case.store.write(entry)
    ref = await only(case)

    assert await read(case) == entry.capability
    assert (ref.failed_run, ref.failed_reason) == ("r2", "Timeout")
    assert (ref.plan_key, ref.run_id, ref.edited) == (None, None, False)


async def test_a_failure_leaves_the_analysis_and_what_is_said_of_it(case: Case) -> None:
    await case.store.write(answer())
    await case.store.write(await failure(case))
    ref = await only(case)
    found = await read(case)

    assert found.model_copy(update={"last_attempt": None}) == answer().capability
    assert found.last_attempt is not None
    assert (ref.plan_key, ref.run_id, ref.failed_run) == ("key of r1", "r1", "r2")
    assert not ref.edited


async def test_a_success_drops_the_failure_with_all_its_traces(case: Case) -> None:
    await case.store.write(await failure(case))
    await case.store.write(answer("r3"))
    ref = await only(case)

    assert (await read(case)).last_attempt is None
    assert (ref.failed_run, ref.failed_reason) == (None, None)
    assert ref.run_id == "r3"


async def test_an_analysis_edited_by_hand_is_noticed(case: Case) -> None:
    await case.store.write(answer())
    case.meddler.edit(NAME)

    assert (await only(case)).edited
    assert (await read(case)).analysis != answer().capability.analysis


async def test_the_next_answer_undoes_an_edit(case: Case) -> None:
    await case.store.write(answer())
    case.meddler.edit(NAME)
    await case.store.write(answer("r2"))

    assert not (await only(case)).edited
    assert (await read(case)).analysis == answer().capability.analysis


async def test_a_label_of_somebody_else_is_no_edit_and_survives(case: Case) -> None:
    await case.store.write(answer())
    case.meddler.label(NAME)
    assert not (await only(case)).edited
    await case.store.write(answer("r2", "Better."))

    assert "team" in case.meddler.labels(NAME)
    assert not (await only(case)).edited


async def test_a_capability_that_was_deleted_by_hand_can_be_written_again(case: Case) -> None:
    await case.store.write(answer())
    before = await only(case)
    case.meddler.delete(NAME)
    await case.store.write(answer())
    after = await only(case)

    assert after.uid != before.uid
    assert after == replace(before, uid=after.uid)


async def test_a_recreated_crd_becomes_the_owner(case: Case) -> None:
    await case.store.write(answer())
    await case.store.write(answer(of=replace(CRD, uid="another")))

    assert (await only(case)).crd_uid == "another"


async def test_a_capability_that_was_removed_is_gone(case: Case) -> None:
    await case.store.write(answer())
    await case.store.write(answer(of=crd("b.example.com")))
    first = next(ref for ref in await case.store.list_refs() if ref.name == NAME)
    await case.store.remove(first)
    await case.store.remove(first)

    assert [ref.name for ref in await case.store.list_refs()] == ["b.example.com"]


async def test_a_namesake_of_a_capability_that_is_removed_stays(case: Case) -> None:
    """It is removed by its UID, and another one was written in its place since the listing."""
    await case.store.write(answer())
    old = await only(case)
    case.meddler.delete(NAME)
    await case.store.write(answer())
    await case.store.remove(old)

    assert (await only(case)).uid != old.uid


async def test_texts_come_back_to_the_letter(case: Case) -> None:
    odd = "Zürich \U0001f600 \u2028 \x7f \u0085 'quoted' \"twice\" # no: {comment} \\ \ufeff"
    await case.store.write(answer(description=odd))
    known = (await read(case)).analysis

    assert known is not None
    assert known.description == odd
