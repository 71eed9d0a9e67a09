"""What happens to an object and is told beside its status. `kube/events.py` posts it as an
Event.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened to an object, never to one of its items."""

    reason: str
    """Why, in one CamelCase word."""
    note: str
    """The sentence for a person."""
    warning: bool = False
