"""What can be set from outside when the operator starts."""

from dataclasses import dataclass, field

from capscan.kube.config import ClusterSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one operator process."""

    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    probe_port: int | None = None
    """Port of /livez and /readyz on all interfaces; None serves none."""
    drain_s: float = 8.0
    """Seconds that items in flight have to finish after a SIGTERM."""
