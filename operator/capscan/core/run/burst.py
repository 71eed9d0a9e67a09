"""Changes of CRDs that come together are one burst: installing a thousand CRDs starts one run."""

from dataclasses import dataclass, replace

QUIET_S = 5.0
"""A burst is over when no change has come for so long."""

LASTING_S_MAX = 30.0
"""However many changes keep coming, a burst is over so long after the first one."""


@dataclass(frozen=True, slots=True)
class Burst:
    """When the first and the last change of it came, by the clock of the event loop."""

    first_s: float
    last_s: float

    @property
    def over_s(self) -> float:
        """When the burst is over, if no further change comes."""
        return min(self.last_s + QUIET_S, self.first_s + LASTING_S_MAX)


def grown(burst: Burst | None, now_s: float) -> Burst:
    """Return the burst with one more change in it."""
    return replace(burst, last_s=now_s) if burst else Burst(now_s, now_s)
