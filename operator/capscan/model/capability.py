"""Capability: what one CRD gives to the users of the cluster, and where that is known from.

`core/answer/capability.py` puts one together; `store/` keeps it.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from capscan.model.base import Count, Time, Wire
from capscan.model.failure import Failure
from capscan.model.meta import GROUP

PLAN_KEY = f"{GROUP}/plan-key"
"""Annotation: the analysis is right for this CRD, digest and provider (see core/run/plan.py)."""
RUN_ID = f"{GROUP}/run-id"
"""Annotation: the run that wrote the analysis."""
FAILED_RUN = f"{GROUP}/failed-run"
"""Annotation: the run that gave this CRD up, if nothing happened to it since."""
FAILED_REASON = f"{GROUP}/failed-reason"
"""Annotation: why, so that a restarted operator counts without reading the objects."""

FIELD_MANAGER = "capscan"

Doing = Annotated[str, Field(max_length=100, description="One thing a user can do with it.")]
Technology = Annotated[str, Field(max_length=60, description="A vendor or a technology.")]
Concept = Annotated[str, Field(max_length=80, description="A concept.")]
VersionName = Annotated[str, Field(description="A version, such as v1.")]


class Complexity(StrEnum):
    """How much a user must know and write."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Analysis(Wire):
    """What the CRD is for. Bounds keep a Capability under 8 KiB."""

    capabilities: Annotated[list[Doing], Field(max_length=16)] = Field(
        default=[], description="What a user can do with it, most telling first."
    )
    providers: Annotated[list[Technology], Field(max_length=16)] = Field(
        default=[], description="Vendors and technologies it is bound to."
    )
    abstractions: Annotated[list[Concept], Field(max_length=16)] = Field(
        default=[], description="The concepts it puts before its user."
    )
    complexity: Complexity = Field(description="How much a user must know and write.")
    description: Annotated[str, Field(max_length=600)] = Field(description="What it is.")
    use_case: Annotated[str, Field(max_length=600)] = Field(
        description="When one would reach for it."
    )
    confidence: Annotated[float, Field(ge=0, le=1)] = Field(
        description="How sure the answer is of itself, from 0 to 1."
    )


class Resource(Wire):
    """Identity of the CRD, copied so that nobody needs to read it."""

    group: str = Field(description="API group.")
    kind: str = Field(description="Kind of its objects.")
    plural: str = Field(description="Plural name, as in URLs and kubectl.")
    scope: str = Field(description="Namespaced or Cluster.")
    version: str = Field(description="The version that was analysed.")
    versions: list[VersionName] = Field(description="All versions, in the CRD's own order.")


class Provenance(Wire):
    """Where the analysis comes from."""

    scan: str = Field(description="Name of the CapabilityScan.")
    run_id: str = Field(
        alias="runID", description="The run that wrote it (status.run.id of the scan)."
    )
    provider: str = Field(description="Who answered.")
    model: str = Field(description="What answered.")
    digest_version: Count = Field(description="Version of the rules that shorten a CRD.")
    prompt_version: Count | None = Field(
        default=None, description="Version of the prompt that a model was asked with."
    )
    fingerprint: str = Field(
        description="Hash of everything the answer depends on; an equal one is not asked again."
    )
    crd_uid: str = Field(alias="crdUID", description="UID of the CRD.")
    crd_generation: int = Field(description="Generation of the CRD.")
    analyzed_at: Time = Field(description="When it was answered.")
    attempts: Count = Field(description="How many requests it took.")
    input_tokens: Count | None = Field(
        default=None, description="Prompt tokens that this answer cost."
    )
    output_tokens: Count | None = Field(
        default=None, description="Answer tokens that this answer cost."
    )


class _OfRun(Wire):
    run_id: str = Field(alias="runID", description="The run that gave the CRD up.")


class LastAttempt(Failure, _OfRun):
    """The newest attempt, when it failed."""


class Summary(Wire):
    """What `kubectl get capabilities` shows: JSONPath can neither join nor shorten."""

    providers: Annotated[str, Field(max_length=64)] = Field(
        description="The providers in one line."
    )
    description: Annotated[str, Field(max_length=64)] = Field(
        description="What one can do with it, in one line."
    )


class Capability(Wire):
    """One Capability, without its metadata: the name is the CRD's."""

    resource: Resource | None = Field(default=None, description="The CRD this is about.")
    summary: Summary | None = Field(default=None, description="The analysis in one line.")
    analysis: Analysis | None = Field(
        default=None, description="What the CRD is for; absent while nobody could say."
    )
    provenance: Provenance | None = Field(
        default=None, description="Where the analysis comes from."
    )
    last_attempt: LastAttempt | None = Field(
        default=None, description="The newest attempt, present only when it failed."
    )
