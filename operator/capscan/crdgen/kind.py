"""The form in which `kinds.py` describes a kind beyond what its models say."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

CATEGORY = "capscan-all"
"""`kubectl get capscan-all` lists every kind. It cannot be called `capscan`: kubectl expands
categories before short names, and `kubectl get capscan NAME` would be "you must specify only one
resource".
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column; those with priority 1 show with `-o wide`."""

    name: str
    path: str
    description: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule on the field at `path`, where `[]` stands for each item of a list; an empty path
    is the object.
    """

    path: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One CRD: `parts` are its top-level fields, or one model that holds them all."""

    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    description: str
    parts: Mapping[str, type[BaseModel]] | type[BaseModel]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    defaults: Mapping[str, Mapping[str, object]] | None = None
    required: tuple[str, ...] = ()

    @property
    def has_status(self) -> bool:
        """Whether status is a subresource of its own, out of reach for a writer of spec."""
        return isinstance(self.parts, Mapping) and "status" in self.parts
