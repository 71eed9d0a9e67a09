"""How fast a provider may be asked now, for those who plan ahead.

The gate fills it in (`inference/accounts/gate.py`). The ETA, the estimate of a dry run and the
status read it; they know nothing else of an account's limits.
"""

from dataclasses import dataclass

RAMP = 2.0
"""What each answer adds to the permits on their way back to a limit that they had before."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one flow's questions may go to a provider, as far as is known now."""

    permits: int | None = None
    """Requests at once; None where nothing but the scan's own parallelism bounds them."""
    permits_soon: int = 0
    """The number that permits are on their way back to after an outage; 0 if they are not."""
    items_per_s: float | None = None
    """The most questions per second by the account's limits on requests and tokens; None where no
    limit is known."""
    wait_s: float = 0.0
    """Seconds until anything is let through at all."""
    returns: bool = True
    """False where nobody can say how long that takes, since the provider fails."""
    obstacle: str = ""
    """Why nothing is let through now, in a sentence for a person; empty where something is."""
    reason: str = "WaitingForProvider"
    """The obstacle in one word, for a condition."""
    stand_in: str = ""
    """Who answers in place of the provider that was named; empty where nobody does."""
