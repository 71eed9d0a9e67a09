"""What capscan's kinds have in common: group and version, metadata, conditions."""

from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from capscan.model.base import Time, Wire

GROUP = "capscan.dev"
VERSION = "v1alpha1"

W = TypeVar("W", bound=Wire)


class ObjectMeta(Wire):
    """The part of metav1.ObjectMeta that capscan reads of its own objects."""

    name: str
    uid: str
    generation: int = 0
    resource_version: str = ""
    annotations: dict[str, str] = Field(default={})
    labels: dict[str, str] = Field(default={})

    @property
    def version(self) -> int:
        """The resourceVersion as a number: those of one kind are ordered integers (KEP-5504)."""
        return int(self.resource_version or 0)


class Condition(Wire):
    """A metav1.Condition."""

    type: str = Field(description="What the condition is about.")
    status: Annotated[str, Field(json_schema_extra={"enum": ["True", "False", "Unknown"]})] = Field(
        description="Whether it holds."
    )
    observed_generation: int = Field(
        description="The generation of the object that this speaks of."
    )
    last_transition_time: Time = Field(description="When status last changed.")
    reason: str = Field(description="Why, in one CamelCase word.")
    message: Annotated[str, Field(max_length=1024)] = Field(
        description="For a person: what happened, and what to do where something is to be done."
    )


def readable(model: type[W], raw: dict[str, Any]) -> W:
    """Return what `raw` says; the model's defaults where somebody wrote over it beyond reading."""
    try:
        return model.model_validate(raw)
    except ValidationError:
        return model()


def parts_of(body: dict[str, Any], spec: type[Wire], status: type[Wire]) -> dict[str, Any]:
    """Return the fields of one of our objects with a status. Raises pydantic's ValidationError
    where metadata or spec cannot be read; such a status counts as none.
    """
    raw_status = body.get("status") or {}
    return {
        "metadata": ObjectMeta.model_validate(body["metadata"]),
        "spec": spec.model_validate(body.get("spec") or {}),
        "status": readable(status, raw_status),
        "raw_status": raw_status,
    }
