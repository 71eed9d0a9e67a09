"""What every store keeps: the one in memory, and Capability objects on a real API server."""

from dataclasses import replace

import pytest

from capscan.core.answer import capability
from capscan.core.answer.capability import AnswerRecord, Entry
from capscan.model import Capability, Crd, StoredRef
from tests import virtual
from tests.fakes import completion, crd, failed_item
from tests.providers import analysis
from tests.store.harness import Case

pytestmark = pytest.mark.anyio

CRD = crd("widgets.example.com")
NAME = CRD.name


def answer(run_id: str = "r1", description: str = "A widget.", of: Crd = CRD) -> Entry:
    """What is written after an answer."""
    known = analysis(of.name).model_copy(update={"description": description})
    answered = AnswerRecord("all", run_id, completion(known), "mark", 1, virtual.EPOCH)
    return capability.analysed(of, answered, f"key of {run_id}")


async def failure(case: Case, run_id: str = "r2") -> Entry:
    """What is written after a failure, given what is there."""
    known = await case.store.read(NAME)
    stored = await only(case) if known else None
    return capability.failed(CRD, known, stored, failed_item(NAME), run_id)


async def only(case: Case) -> StoredRef:
    """The one that is there."""
    (ref,) = await case.store.list_refs()
    return ref


async def read(case: Case, name: str = NAME) -> Capability:
    found = await case.store.read(name)
    assert found is not None
    return found


async def test_a_new_store_is_empty(case: Case) -> None:
    assert await case.store.list_refs() == []
    assert await case.store.read(NAME) is None


async def test_a_check_writes_nothing(case: Case) -> None:
    await case.store.check()

    assert await case.store.list_refs() == []


async def test_what_is_written_is_read(case: Case) -> None:
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


async def test_all_are_listed(case: Case) -> None:
    names = [f"{kind}.example.com" for kind in ("c", "a", "b")]
    for name in names:
        await case.store.write(answer(of=crd(name)))

    assert {ref.name for ref in await case.store.list_refs()} == set(names)


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


async def test_one_that_was_deleted_by_hand_can_be_written_again(case: Case) -> None:
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


async def test_what_is_removed_is_gone(case: Case) -> None:
    await case.store.write(answer())
    await case.store.write(answer(of=crd("b.example.com")))
    first = next(ref for ref in await case.store.list_refs() if ref.name == NAME)
    await case.store.remove(first)
    await case.store.remove(first)

    assert [ref.name for ref in await case.store.list_refs()] == ["b.example.com"]


async def test_a_namesake_of_what_is_to_be_removed_stays(case: Case) -> None:
    """Removed by its UID: another was written in its place since the listing."""
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
