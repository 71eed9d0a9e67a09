"""How fast a provider may be asked now, as whoever plans ahead sees it.

The gate fills it in (`inference/accounts/gate.py`). The ETA, the estimate of a dry run and the
status read it, and know nothing else of an account's limits.
"""

from dataclasses import dataclass

RAMP = 2.0
"""Added by each answer on the way back to a limit that it had before."""


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
