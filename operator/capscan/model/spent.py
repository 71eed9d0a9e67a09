"""What an InferenceProvider has spent today, as its status keeps it over a restart.

How it is counted is in `core/money/day.py`.
"""

import datetime
from typing import Annotated

from pydantic import Field

from capscan.model.base import Count, Time, Wire

RECENT_RUNS_MAX = 64

Sum = Annotated[str, Field(max_length=32)]


class SetAside(Wire):
    """What may be spent before the status is written again."""

    tokens: Count = Field(default=0, description="Prompt and answer tokens.")
    cost: Sum = Field(default="0.00", description="Their cost.")


class Today(Wire):
    """What one day's requests took, over all scans."""

    date: datetime.date = Field(description="The day, in UTC.")
    requests: Count = Field(default=0, description="Requests sent, failed ones too.")
    input_tokens: Count = Field(
        default=0, description="Prompt tokens; an estimate where nobody counted them."
    )
    cached_input_tokens: Count = Field(
        default=0, description="Prompt tokens that came from the provider's cache."
    )
    output_tokens: Count = Field(
        default=0, description="Answer tokens; an estimate where nobody counted them."
    )
    total_tokens: Count = Field(default=0, description="Prompt and answer tokens.")
    cost: Sum | None = Field(default=None, description="By spec.pricing; absent without it.")
    set_aside: SetAside | None = Field(
        default=None,
        description="What requests under way, and the next ones, may take at most, under a limit a "
        "day. An operator that starts again counts it as spent: nobody knows what became of them.",
    )


class PaidRun(Wire):
    """One run of a scan that was let through to ask."""

    scan: Annotated[str, Field(max_length=253)] = Field(description="Name of the CapabilityScan.")
    run: Annotated[str, Field(max_length=64)] = Field(description="Id of its run.")
    time: Time = Field(description="When its first question was let through.")
