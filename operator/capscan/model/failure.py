"""What a scan's failed items and a Capability's last attempt share: why a CRD was given up."""

from typing import Annotated

from pydantic import Field

from capscan.model.base import Count, Time, Wire


class Failure(Wire):
    """Why a CRD was given up.

    A kind of failure that has fields to show before these takes them from a second base class:
    pydantic, and so the rendered CRD, puts the fields of the last base first.
    """

    reason: str = Field(description="Why, in one CamelCase word.")
    message: Annotated[str, Field(max_length=512)] = Field(description="Why, in a sentence.")
    attempts: Count = Field(description="How often it was tried.")
    retryable: bool = Field(description="Whether trying again later may help.")
    time: Time = Field(description="When it was given up.")
