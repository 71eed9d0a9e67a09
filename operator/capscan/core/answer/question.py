"""A question to a provider, and what is known of the way there.

Declared below `inference` and `scan`, because the one asks what the other answers.
"""

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from capscan.core.crd.digest import Digest
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
