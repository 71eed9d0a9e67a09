"""What is stored: after an answer, after nothing changed, after a failure."""

from dataclasses import replace
from typing import Any

import pytest

from capscan.core.answer.capability import (
    AnswerRecord,
    Entry,
    analysed,
    failed,
    failed_item,
    ref_of,
    unchanged,
)
from capscan.core.crd.digest import DIGEST_VERSION
from capscan.model import Capability, CrdRef, StoredRef
from tests import fakes
from tests.providers import analysis
from tests.virtual import EPOCH

CRD = fakes.crd(versions=("v1alpha1", "v1"), uid="u1", generation=3)
ANSWERED = AnswerRecord(
    scan="all",
    run_id="r1",
    completion=fakes.completion(),
    fingerprint="mark",
    attempts=2,
    at=EPOCH,
)
ENTRY = analysed(CRD, ANSWERED, "key")


def stored(**changes: Any) -> StoredRef:
    """Return ENTRY as a listing shows it."""
    plain = StoredRef(CRD.name, uid="c1", crd_uid=CRD.uid, plan_key="key", run_id="r1")
    return replace(plain, **changes)


def test_an_answer_is_stored_with_where_it_comes_from() -> None:
    capability = ENTRY.capability

    assert (ENTRY.plan_key, ENTRY.run_id, ENTRY.failed_run) == ("key", "r1", None)
    assert capability.analysis == analysis()
    assert capability.last_attempt is None
    assert capability.provenance is not None
    assert capability.provenance.to_wire() == {
        "scan": "all",
        "runID": "r1",
        "provider": "fake",
        "model": "fake/1",
        "digestVersion": DIGEST_VERSION,
        "fingerprint": "mark",
        "crdUID": "u1",
        "crdGeneration": 3,
        "analyzedAt": "2026-01-01T00:00:00Z",
        "attempts": 2,
    }


def test_a_capability_copies_what_a_reader_needs_of_the_crd() -> None:
    assert ENTRY.capability.resource is not None
    assert ENTRY.capability.resource.to_wire() == {
        "group": "example.com",
        "kind": "Widgets",
        "plural": "widgets",
        "scope": "Namespaced",
        "version": "v1",
        "versions": ["v1alpha1", "v1"],
    }


def test_the_summary_fits_into_a_table() -> None:
    wordy = analysis().model_copy(
        update={"providers": ["A long name of a vendor"] * 9, "capabilities": ["word " * 19]}
    )
    answered = replace(ANSWERED, completion=fakes.completion(wordy))
    summary = analysed(CRD, answered, "key").capability.summary

    assert summary is not None
    assert summary.description.endswith("word…")
    assert max(len(summary.description), len(summary.providers)) <= 60


def test_the_reference_is_to_the_crd_as_it_was_read() -> None:
    assert ref_of(CRD) == CrdRef(CRD.name, "u1", 3)


MOVED = replace(CRD, generation=4, versions=("v1",))


def test_an_unchanged_analysis_is_confirmed_for_the_crd_as_it_is_now() -> None:
    entry = unchanged(MOVED, ENTRY.capability, "new key", "r1")
    capability = entry.capability

    assert (entry.plan_key, entry.run_id, entry.failed_run) == ("new key", "r1", None)
    assert capability.analysis == analysis()
    assert capability.resource is not None
    assert capability.resource.versions == ["v1"]
    assert capability.provenance is not None
    assert (capability.provenance.crd_generation, capability.provenance.run_id) == (4, "r1")


ITEM = fakes.failed_item(CRD.name)


def after_failure(known: Capability | None, before: StoredRef | None) -> Entry:
    return failed(MOVED, known, before, ITEM, "r2")


def test_the_old_analysis_stays_after_a_failure() -> None:
    """So do its resource and its provenance, which belong to it."""
    entry = after_failure(ENTRY.capability, stored())

    assert entry.capability.model_copy(update={"last_attempt": None}) == ENTRY.capability
    assert (entry.plan_key, entry.run_id) == ("key", "r1")
    assert (entry.failed_run, entry.failed_reason) == ("r2", "Timeout")


def test_a_first_failure_is_stored_alone() -> None:
    capability = after_failure(None, None).capability

    assert capability.analysis is None
    assert capability.resource is not None
    assert capability.last_attempt is not None


@pytest.mark.parametrize("known", [None, Capability()], ids=["deleted by hand", "emptied"])
def test_annotations_of_an_analysis_go_with_the_analysis(known: Capability | None) -> None:
    """The Capability was listed, and it was gone when the turn of its CRD came."""
    entry = after_failure(known, stored())

    assert (entry.plan_key, entry.run_id) == (None, None)


def test_a_success_takes_the_failure_away() -> None:
    failure = after_failure(ENTRY.capability, stored()).capability

    assert unchanged(CRD, failure, "key", "r3").capability == ENTRY.capability


def test_a_failure_is_listed_as_it_was_stored() -> None:
    attempt = after_failure(None, None).capability.last_attempt

    assert attempt is not None
    assert attempt.run_id == "r2"
    assert failed_item(CRD.name, attempt) == ITEM
