"""What is told of an object beside its status: a Kubernetes Event, once it is posted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened to an object, never to one of its items."""

    reason: str
    """Why, in one CamelCase word."""
    note: str
    """For a person."""
    warning: bool = False
