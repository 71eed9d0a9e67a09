"""Changes that come together: an installation of a thousand CRDs is one piece of news."""

from dataclasses import dataclass, replace

QUIET_S = 5.0
"""Without a further change, this long after the last one they are over."""

LASTING_S_MAX = 30.0
"""However many keep coming, this long after the first one they are told."""


@dataclass(frozen=True, slots=True)
class Burst:
    """When the first and the last change came, by the clock of the event loop."""

    first_s: float
    last_s: float

    @property
    def over_s(self) -> float:
        """When it is over, if nothing more comes."""
        return min(self.last_s + QUIET_S, self.first_s + LASTING_S_MAX)


def grown(burst: Burst | None, now_s: float) -> Burst:
    """With one more change."""
    return replace(burst, last_s=now_s) if burst else Burst(now_s, now_s)
