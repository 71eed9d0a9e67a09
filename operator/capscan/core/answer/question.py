"""A question to a provider.

Declared below `inference` and `scan`, because the one asks what the other answers. What is on its
way because of it is told by a Flight, which is handed down beside it (`scan/flight.py`).
"""

import math
from dataclasses import dataclass

from capscan.core.crd.digest import Digest


@dataclass(frozen=True, slots=True)
class Question:
    """One CRD to be analysed, for one scan."""

    digest: Digest
    flow: str
    """Questions of one flow wait in one line: the name of the scan."""
    weight: int
    """The flow's share of a contended provider, against the weights of the others."""
    run: str = ""
    """What stands for the scan's run where providers let a scan ask only once in a while: the same
    for a run and for what became of it by an edit."""
    broke_at_s: float = math.inf
    """When the provider broke over it for the first time (ProviderFailed); infinite while it never
    did."""
