"""What all models of Kubernetes objects share: camelCase names, frozen values, and how Kubernetes
writes times and durations.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from capscan.model.duration import format_duration, parse_duration


class Wire(BaseModel):
    """A value as it stands in a Kubernetes object. Fields this version does not know are ignored,
    so that an older operator reads what a newer one wrote.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )

    def to_wire(self) -> dict[str, Any]:
        """Return the value ready for JSON, in camelCase, without the fields that are None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _to_timedelta(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _whole_seconds(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Duration = Annotated[
    timedelta,
    BeforeValidator(_to_timedelta),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "maxLength": 32}),
]
"""`2m30s` on the wire, a timedelta in Python. The schema has no pattern: where a user writes one,
a CEL rule says what to write instead (see capscan.crdgen.kinds).
"""

Time = Annotated[
    AwareDatetime,
    PlainSerializer(_whole_seconds, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""RFC 3339 in UTC at one second, as metav1.Time; always aware in Python."""

Count = Annotated[int, Field(ge=0)]
