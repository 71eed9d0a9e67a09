"""What a gate tells of itself: for the status of a provider, and for metrics."""

from dataclasses import dataclass

from capscan.model import Circuit


@dataclass(frozen=True, slots=True)
class RateLimitSeen:
    """A 429 that came back; `at_s` is on the clock of `anyio.current_time`."""

    at_s: float
    message: str
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class GateStatistics:
    """What the status of a provider shows of its gate."""

    circuit: Circuit
    permits: int
    """Requests at once that the account is trusted with now."""
    last_rate_limit: RateLimitSeen | None
    """The newest 429; None before the first."""
    obstacle: str = ""
    """Why nothing is let through now, in a sentence for a person; empty where something is."""
