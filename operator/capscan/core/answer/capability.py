"""Puts a Capability together: after an answer, after a failure, or where nothing changed.

`store/capabilities.py` writes what comes out of it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from capscan.core.crd.digest import DIGEST_VERSION
from capscan.core.text import shorten
from capscan.model import (
    Analysis,
    Capability,
    Completion,
    CrdIdentity,
    CrdRef,
    FailedItem,
    LastAttempt,
    Provenance,
    Resource,
    StoredRef,
    Summary,
)
from capscan.model.failure import Failure
from capscan.model.scan_status import COUNT_MAX

SUMMARY_CHARS_MAX = 60


@dataclass(frozen=True, slots=True)
class Entry:
    """A Capability to be stored, with the annotations that planning reads.

    `run_id` and `plan_key` belong to the analysis. `failed_run` and `failed_reason` belong to the
    newest attempt, where that failed.
    """

    ref: CrdRef
    capability: Capability
    plan_key: str | None = None
    run_id: str | None = None
    failed_run: str | None = None
    failed_reason: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """Who answered, in which run, and when."""

    scan: str
    run_id: str
    completion: Completion
    fingerprint: str
    attempts: int
    at: datetime


def analysed(crd: CrdIdentity, answered: AnswerRecord, plan_key: str) -> Entry:
    """Return what to store after an answer."""
    completion = answered.completion
    provenance = Provenance(
        scan=answered.scan,
        run_id=answered.run_id,
        provider=completion.provider,
        model=completion.model,
        digest_version=DIGEST_VERSION,
        prompt_version=completion.prompt_version,
        fingerprint=answered.fingerprint,
        crd_uid=crd.uid,
        crd_generation=crd.generation,
        analyzed_at=answered.at,
        attempts=answered.attempts,
        input_tokens=min(completion.usage.input_tokens, COUNT_MAX) or None,
        output_tokens=min(completion.usage.output_tokens, COUNT_MAX) or None,
    )
    capability = Capability(
        resource=_resource(crd),
        summary=_summary(completion.analysis),
        analysis=completion.analysis,
        provenance=provenance,
    )
    return Entry(ref_of(crd), capability, plan_key, answered.run_id)


def unchanged(crd: CrdIdentity, known: Capability, plan_key: str, run_id: str | None) -> Entry:
    """Return what to store where the CRD has changed, but not in a way that changes the
    question.
    """
    provenance = known.provenance and known.provenance.model_copy(
        update={"crd_uid": crd.uid, "crd_generation": crd.generation}
    )
    capability = known.model_copy(
        update={"resource": _resource(crd), "provenance": provenance, "last_attempt": None}
    )
    return Entry(ref_of(crd), capability, plan_key, run_id)


def failed(
    crd: CrdIdentity,
    known: Capability | None,
    stored: StoredRef | None,
    item: FailedItem,
    run_id: str,
) -> Entry:
    """Return what to store after a failure: the old analysis stays until there is a new one."""
    attempt = LastAttempt(run_id=run_id, **_why(item))
    before = known or Capability()
    kept = stored if before.analysis else None  # it may have been deleted or emptied since
    capability = before.model_copy(
        update={"resource": before.resource or _resource(crd), "last_attempt": attempt}
    )
    return Entry(
        ref_of(crd),
        capability,
        plan_key=kept.plan_key if kept else None,
        run_id=kept.run_id if kept else None,
        failed_run=run_id,
        failed_reason=item.reason,
    )


def failed_item(name: str, attempt: LastAttempt) -> FailedItem:
    """Return a stored failure as a scan's status lists it."""
    return FailedItem(name=name, **_why(attempt))


def _why(failure: Failure) -> dict[str, Any]:
    return {field: getattr(failure, field) for field in Failure.model_fields}


def ref_of(crd: CrdIdentity) -> CrdRef:
    """Return the reference to a CRD as it was read, which may be newer than the listing."""
    return CrdRef(name=crd.name, uid=crd.uid, generation=crd.generation)


def _summary(analysis: Analysis) -> Summary:
    return Summary(
        providers=shorten(", ".join(analysis.providers), SUMMARY_CHARS_MAX),
        # What one can do with a CRD tells a reader more than the beginning of its definition.
        description=shorten(
            "; ".join(analysis.capabilities) or analysis.description, SUMMARY_CHARS_MAX
        ),
    )


def _resource(crd: CrdIdentity) -> Resource:
    return Resource(
        group=crd.group,
        kind=crd.kind,
        plural=crd.plural,
        scope=crd.scope,
        version=crd.version,
        versions=list(crd.versions),
    )
