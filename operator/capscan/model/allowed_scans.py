"""Which CapabilityScans may name an InferenceProvider."""

from typing import Annotated

from pydantic import Field

from capscan.model.base import Wire

_Name = Annotated[
    str, Field(min_length=1, max_length=253, description="A glob over names of CapabilityScans.")
]
_Value = Annotated[str, Field(max_length=63, description="The value the label must have.")]


class AllowedScans(Wire):
    """The scans that may ask a provider: by name, and by their labels."""

    names: Annotated[list[_Name], Field(min_length=1, max_length=100)] = Field(
        default=["*"],
        description="Globs over names of CapabilityScans, such as team-a-*. * stands for any text "
        "and ? for one character. One of them must match.",
    )
    match_labels: Annotated[dict[str, _Value], Field(max_length=50)] = Field(
        default={},
        description="Labels that a CapabilityScan must carry, each with exactly this value.",
        json_schema_extra={"x-kubernetes-map-type": "atomic"},
    )
