"""The numbers of one showing, and what follows from them: values only.

The lower bound is that of `tests/modelserver/bounds.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.builders import crd
from tests.modelserver.behaviour import Behaviour, Latency, Limits, Outage, Rate
from tests.modelserver.bounds import bound_s

KEY = "sk-of-the-fake"
MODEL = "claude-haiku-4-5"
PARALLELISM = 64

IN_FLIGHT_MAX = 24
"""More than a gate begins with, so that it is seen to grow."""
REQUESTS_PER_MINUTE = 600
LATENCY = Latency(mean_s=0.8, sigma=0.5)

KINDS = ("buckets", "caches", "certificates", "clusters", "databases", "gateways", "queues",
         "roles", "secrets", "topics")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """How many made-up CRDs, and how long the server is down."""

    crds: int
    outage_s: float

    @property
    def rate(self) -> Rate:
        """Return the server's limit: a third of the CRDs may come at once, the rest in time."""
        return Rate(per_minute=REQUESTS_PER_MINUTE, burst=self.crds // 3)

    @property
    def behaviour(self) -> Behaviour:
        """Return what the server is told; nobody tells the InferenceProvider."""
        return Behaviour(
            keys=(KEY,),
            latency=LATENCY,
            limits=Limits(requests=self.rate),
            in_flight_max=IN_FLIGHT_MAX,
        )

    @property
    def outage(self) -> Outage:
        """Return an outage in the middle: before it not even the best client can be done."""
        return Outage(at_s=round(0.45 * self._bound_s(None), 1), for_s=self.outage_s)

    def bound_s(self, outage_at_s: float) -> float:
        """Return the least time for all answers; the outage begins that long after the first
        request.
        """
        return self._bound_s(Outage(at_s=outage_at_s, for_s=self.outage_s))

    def bodies(self) -> Iterator[dict[str, Any]]:
        """Yield the CRDs: the same ten kinds for team after team."""
        for number in range(self.crds):
            team, kind = divmod(number, len(KINDS))
            yield crd(KINDS[kind], group=f"team-{team:02}.example.com")

    def _bound_s(self, outage: Outage | None) -> float:
        return bound_s(
            self.crds,
            latency_s=LATENCY.mean_s,
            charges=[(self.rate, self.crds)],
            in_flight_max=IN_FLIGHT_MAX,
            outage=outage,
        )
