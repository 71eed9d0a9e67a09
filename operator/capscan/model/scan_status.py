"""The status of a CapabilityScan: what the operator reports while it works.

The descriptions here are what `kubectl explain` prints; `capscan.crdgen` renders the CRD from
these models.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from capscan.model.base import Count, Duration, Time, Wire
from capscan.model.failure import Failure
from capscan.model.meta import GROUP, Condition

REQUESTED_AT = f"{GROUP}/requestedAt"
"""Annotation on a CapabilityScan: a new value starts a run."""

COUNT_MAX = 2**63 - 1
"""The largest integer that the API server takes."""
FAILED_ITEMS_MAX = 50
IN_FLIGHT_NAMES_MAX = 32

CrdName = Annotated[str, Field(description="Name of a CRD.")]


class Phase(StrEnum):
    """Where a scan stands, in one word."""

    PENDING = "Pending"
    DISCOVERING = "Discovering"
    SCANNING = "Scanning"
    SUSPENDED = "Suspended"
    COMPLETED = "Completed"
    COMPLETED_WITH_FAILURES = "CompletedWithFailures"
    FAILED = "Failed"


class Trigger(StrEnum):
    """Why a run was started."""

    CREATED = "Created"
    SPEC_CHANGED = "SpecChanged"
    RESCAN = "Rescan"
    SCHEDULED = "Scheduled"
    FOLLOW = "Follow"


class Run(Wire):
    """One pass over the CRDs that match."""

    id: str = Field(description="Names this run; Capabilities carry the run that wrote them.")
    trigger: Trigger = Field(description="Why it was started.")
    inputs_hash: str = Field(
        description="Digest of the spec fields that decide what is asked; when they change, a new "
        "run starts."
    )
    dry_run: bool = Field(default=False, description="Whether it asks nothing.")
    owner: str = Field(description="The operator process that last worked on it.")
    start_time: Time = Field(description="When it was started.")
    completion_time: Time | None = Field(default=None, description="When it ended.")
    duration: Duration | None = Field(
        default=None, description="From start to end, waiting included."
    )
    resumed: Count = Field(
        default=0, description="How often it was picked up again after an interruption."
    )


class Progress(Wire):
    """The run's CRDs by what became of them; the counts never fall within one run."""

    total: Count = Field(default=0, description="CRDs that match the selector.")
    completed: Count = Field(default=0, description="Analysed in this run.")
    unchanged: Count = Field(default=0, description="Already known and still right: not asked.")
    failed: Count = Field(default=0, description="Given up in this run.")
    skipped: Count = Field(default=0, description="Deleted before their turn came.")
    in_flight: Count = Field(default=0, description="Being analysed now.")
    percent: Annotated[int, Field(ge=0, le=100)] = Field(
        default=0, description="Settled CRDs as a percentage of the total, rounded down."
    )
    summary: str = Field(default="", description="Settled CRDs and the total, such as 412/1000.")
    failed_by_reason: dict[
        str, Annotated[Count, Field(description="Failed CRDs with this reason.")]
    ] = Field(default={}, description="Failed CRDs counted by reason.")

    @property
    def settled(self) -> int:
        """Items that need nothing more in this run."""
        return self.completed + self.unchanged + self.failed + self.skipped


class RunUsage(Wire):
    """What the run's requests cost, failed ones too."""

    requests: Count = Field(default=0, description="Requests sent to providers.")
    input_tokens: Count = Field(
        default=0,
        description="Prompt tokens, cached ones included; an estimate where the "
        "server does not count them.",
    )
    cached_input_tokens: Count = Field(
        default=0, description="Prompt tokens that came from a provider's cache."
    )
    output_tokens: Count = Field(
        default=0, description="Answer tokens; an estimate where they are not counted."
    )
    total_tokens: Count = Field(default=0, description="Prompt and answer tokens.")
    cost: Annotated[str, Field(max_length=32)] | None = Field(
        default=None,
        description="By the pricing of the InferenceProviders that answered; absent without one.",
    )


class Estimate(Wire):
    """What a run would take, by spec.dryRun."""

    crds: Count = Field(description="CRDs that match the selector.")
    items: Count = Field(description="CRDs that would be asked about.")
    requests: Count = Field(description="Requests to the provider, without any second attempt.")
    input_tokens: Count = Field(description="Prompt tokens.")
    output_tokens: Count = Field(description="Answer tokens.")
    cost: Annotated[str, Field(max_length=32)] | None = Field(
        default=None, description="By the pricing of the InferenceProvider; absent without one."
    )
    duration: Duration = Field(
        description="Time, by the provider's limits as they are known and 3s for a request."
    )


class RunLatency(Wire):
    """How long the run's requests take; percentiles are over the newest 512."""

    average: str = Field(description="The mean, such as 1.8s.")
    p50: str = Field(description="Half of the requests are faster, such as 1.5s.")
    p95: str = Field(description="One in twenty is slower, such as 4.2s.")


class _Named(Wire):
    name: str = Field(description="Name of the CRD.")


class FailedItem(Failure, _Named):
    """One CRD that was given up."""


class FinishedRun(Wire):
    """What remains of the run before this one."""

    id: str = Field(description="Its id.")
    phase: Phase = Field(description="How it ended.")
    start_time: Time = Field(description="When it was started.")
    completion_time: Time | None = Field(default=None, description="When it ended.")
    summary: str = Field(description="Settled CRDs and the total.")
    failed: Count = Field(default=0, description="CRDs that were given up.")


class ScanStatus(Wire):
    """What the operator saw and did."""

    observed_generation: int = Field(
        default=-1, description="The generation that the rest of the status speaks of."
    )
    phase: Phase | None = Field(default=None, description="Where the scan stands, in one word.")
    message: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Where the scan stands, in one sentence."
    )
    run: Run | None = Field(default=None, description="The current run, or the last one.")
    last_handled_rescan: str | None = Field(
        default=None, description="The value of spec.rescan that last started a run."
    )
    last_handled_requested_at: str | None = Field(
        default=None,
        description=f"The value of the annotation {REQUESTED_AT} that last started a run.",
    )
    last_handled_schedule: str | None = Field(
        default=None,
        description="The schedule and time zone that nextScheduleTime was reckoned by.",
    )
    next_schedule_time: Time | None = Field(
        default=None,
        description="When spec.schedule starts the next run; in the past where that waits for a "
        "run at work, or for spec.suspend.",
    )
    progress: Progress | None = Field(default=None, description="Counts of the run's CRDs.")
    eta: str | None = Field(
        default=None, description="Time left, such as 3m20s; empty until it means something."
    )
    estimated_completion_time: Time | None = Field(
        default=None, description="When the run is expected to end."
    )
    provider: str | None = Field(
        default=None,
        description="Who is asked in this run; while another one stands in, the message says so.",
    )
    model: str | None = Field(default=None, description="What answers in this run.")
    throughput_per_minute: float | None = Field(
        default=None, description="CRDs settled per minute since the run was started or resumed."
    )
    latency: RunLatency | None = Field(
        default=None, description="How long requests to providers take in this run."
    )
    speedup: float | None = Field(
        default=None,
        description="The time of all requests together over the time that passed: what asking one "
        "at a time would have taken, as a multiple.",
    )
    usage: RunUsage | None = Field(
        default=None, description="What this run has cost; absent while nothing was sent."
    )
    estimate: Estimate | None = Field(
        default=None, description="What a run would take; only with spec.dryRun."
    )
    in_flight: Annotated[list[CrdName], Field(max_length=IN_FLIGHT_NAMES_MAX)] | None = Field(
        default=None, description="Names of the CRDs being analysed now, the oldest first."
    )
    failed_items: Annotated[list[FailedItem], Field(max_length=FAILED_ITEMS_MAX)] | None = Field(
        default=None, description="CRDs that were given up in this run, the first ones."
    )
    failed_items_omitted: Count | None = Field(
        default=None, description="How many failed CRDs are not in failedItems."
    )
    last_run: FinishedRun | None = Field(default=None, description="The run before the one in run.")
    conditions: list[Condition] | None = Field(
        default=None,
        description="Accepted, Reconciling, Stalled, Ready, Complete and Failed.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    )
