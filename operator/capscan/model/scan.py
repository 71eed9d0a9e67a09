"""CapabilityScan: what a user asks for. What the operator reports is in `scan_status.py`.

The descriptions here are what `kubectl explain` prints; `capscan.crdgen` renders the CRD from
these models.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from capscan.model.base import Count, Duration, Wire
from capscan.model.meta import ObjectMeta, parts_of
from capscan.model.money import Limit
from capscan.model.scan_status import ScanStatus

Glob = Annotated[
    str, Field(min_length=1, max_length=316, description="A glob over CRD names; * and ? only.")
]
LabelValue = Annotated[str, Field(max_length=63, description="The value the label must have.")]


class Refresh(StrEnum):
    """Which CRDs a run asks about."""

    IF_CHANGED = "IfChanged"
    ALWAYS = "Always"


class Priority(StrEnum):
    """A scan's share of a provider that is contended."""

    LOW = "Low"
    NORMAL = "Normal"
    HIGH = "High"

    @property
    def weight(self) -> int:
        """The share against the shares of others."""
        return {"Low": 1, "Normal": 2, "High": 4}[self.value]


class ProviderRef(Wire):
    """An InferenceProvider by name."""

    name: Annotated[str, Field(max_length=253)] = Field(
        default="", description="Name of the InferenceProvider."
    )


class Selector(Wire):
    """Which CRDs a scan looks at."""

    include: Annotated[list[Glob], Field(min_length=1, max_length=100)] = Field(
        default=["*"],
        description="Globs over CRD names, such as *.cert-manager.io. * stands for any text, "
        "dots included, and ? for one character. A CRD is looked at when one of them matches.",
    )
    exclude: Annotated[list[Glob], Field(max_length=100)] = Field(
        default=[],
        description="Globs over CRD names to leave out; they win over include. capscan's own CRDs "
        "are always left out.",
    )
    match_labels: Annotated[dict[str, LabelValue], Field(max_length=50)] = Field(
        default={},
        description="Labels that a CRD must carry, each with exactly this value.",
        json_schema_extra={"x-kubernetes-map-type": "atomic"},
    )


class Budget(Wire):
    """What one run may use."""

    max_tokens: Count = Field(
        default=0, description="Prompt and answer tokens together; 0 is no limit."
    )
    max_cost: Limit = Field(
        default="",
        description="By the pricing of the InferenceProvider, in its currency, such as 12.50; "
        "empty or 0 is no limit.",
    )


class ScanSpec(Wire):
    """What is asked for."""

    provider_ref: ProviderRef = Field(
        default=ProviderRef(),
        description="The InferenceProvider to ask; without a name the built-in offline analysis, "
        "which needs no network, no key and no other object.",
    )
    selector: Selector = Field(
        default=Selector(), description="Which CRDs to look at; all of them unless said otherwise."
    )
    parallelism: Annotated[int, Field(ge=1, le=256)] = Field(
        default=10,
        description="At most this many CRDs in flight at once. A change takes effect in a running "
        "run and starts no new one.",
    )
    max_attempts: Annotated[int, Field(ge=1, le=20)] = Field(
        default=4, description="How often one CRD is tried before it counts as failed."
    )
    item_timeout: Duration = Field(
        default=timedelta(minutes=2),
        description="How long one CRD may take, all its requests and the pauses after failed ones, "
        "but not the waiting for a turn at the provider, such as 90s or 2m.",
    )
    max_failed_percent: Annotated[int, Field(ge=0, le=100)] = Field(
        default=100,
        description="The run stops and is Failed once more than this percentage of all its CRDs "
        "has failed; 100 never stops. A run of which nothing but failures is left has Failed too.",
    )
    refresh: Refresh = Field(
        default=Refresh.IF_CHANGED,
        description="IfChanged asks about CRDs that are new, changed, or failed last time. Always "
        "asks about every CRD once per run.",
    )
    rescan: Annotated[str, Field(max_length=253)] = Field(
        default="",
        description="Any text; a new value starts a new run, so that a rescan can be asked for in "
        "Git. Clearing it starts nothing.",
    )
    schedule: Annotated[str, Field(max_length=100)] = Field(
        default="",
        description="When to start a run by itself, as a cron line of five fields: 0 3 * * 1-5 is "
        "three o'clock on weekdays. Times that were missed, or passed during a run, make one run. "
        "Editing it starts nothing.",
    )
    time_zone: Annotated[str, Field(max_length=64)] = Field(
        default="UTC",
        description="The zone that schedule means, by its name in the IANA database, such as "
        "Europe/Berlin.",
    )
    follow: bool = Field(
        default=False,
        description="True keeps up with the cluster: CRDs that are added, changed or removed start "
        "a run within seconds, which asks about those alone, also under refresh: Always.",
    )
    dry_run: bool = Field(
        default=False,
        description="True says what a run would ask and what it would cost, in status.estimate, "
        "and asks nothing; false begins.",
    )
    budget: Budget = Field(
        default=Budget(),
        description="What one run may use. A question is asked only where what it is expected to "
        "take still fits; where none does the run waits, and goes on when this is raised.",
    )
    priority: Priority = Field(
        default=Priority.NORMAL,
        description="This scan's share where several ask one provider: High gets twice what Normal "
        "gets, and that twice what Low gets.",
    )
    suspend: bool = Field(
        default=False,
        description="True stops the work within seconds and starts nothing new; false goes on "
        "where it stopped.",
    )
    progress_interval: Duration = Field(
        default=timedelta(seconds=2),
        description="The least time between two updates of the progress in status.",
    )


class CapabilityScan(Wire):
    """A CapabilityScan as it was last seen."""

    metadata: ObjectMeta
    spec: ScanSpec = ScanSpec()
    status: ScanStatus = ScanStatus()
    raw_status: dict[str, Any] = Field(default={}, exclude=True)
    """The status to the letter: the difference to a wanted one is computed from it."""

    @classmethod
    def from_wire(cls, body: dict[str, Any]) -> "CapabilityScan":
        """Parse the object. Raises pydantic's ValidationError where its metadata or spec cannot be
        read; a status that somebody else wrote over counts as none.
        """
        return cls(**parts_of(body, ScanSpec, ScanStatus))
