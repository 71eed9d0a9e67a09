"""A question to a provider, and what is known of the way there.

Declared below `inference` and `scan`, because the one asks what the other answers.
"""

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from capscan.core.digest import Digest
from capscan.model import Usage
from capscan.model.completion import NO_USAGE


@dataclass(slots=True)
class Flight:
    """One request under way; `usage` is filled in by who sent it, as soon as it is known."""

    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True)
class Question:
    """One CRD to be analysed, for one scan."""

    digest: Digest
    flow: str
    """Questions of one flow wait in one line: the name of the scan."""
    weight: int
    """The flow's share of a contended provider, against the weights of the others."""
    flight: Callable[[], AbstractAsyncContextManager[Flight]]
    """Entered for as long as a request is under way, once for each. A question that was cancelled
    just before does not get in, and one whose item's time is used up gets ItemTimeout."""
    broke_at_s: float = math.inf
    """When the provider broke over it for the first time (ProviderFailed); infinite while it never
    did."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one flow's questions may go to a provider, as far as is known now."""

    permits: int | None = None
    """Requests at once; None where nothing but the scan's own parallelism bounds them."""
    permits_soon: int = 0
    """What permits are on their way back to after an outage, by RAMP with each answer."""
    items_per_s: float | None = None
    """By the account's limits on requests and tokens; None where none is known."""
    wait_s: float = 0.0
    """Until anything is let through at all."""
    returns: bool = True
    """False where nobody can say how long that is: the provider fails."""
    obstacle: str = ""
    """Why nothing is let through now, in a sentence for a person; empty where it is."""
    stand_in: str = ""
    """Who answers in place of the provider that was named; empty where nobody does."""
