"""The settings: what the provider is like, what clients are told of it, and the lower bound.

Latencies are lognormal around 0.5 s; 2 % of the requests fail. Bursts are half a second's worth
where nothing else is said: one that paces itself exactly is not punished for the jitter of timers.
"""

from dataclasses import dataclass
from random import Random

from tests.modelserver.behaviour import Behaviour, Latency, Limits, Outage, Rate
from tests.modelserver.bounds import bound_s

from benchmarks.gate.question import CHARGED_TOKENS

LATENCY_S = 0.5
SIGMA = 0.5
IN_FLIGHT = 64
"""What each client is allowed to have under way."""
SEED = 7
MOMENT_S = 1e-3
"""A bound below it says that nothing but the client takes time."""

_RPM = Rate(per_minute=600, burst=5)
_TPM = Rate(per_minute=480_000, burst=3 * CHARGED_TOKENS)
_MINUTE = Rate(per_minute=600)
_WINDOW = Rate(per_minute=600, window_s=60)
_TENTH = Rate(per_minute=60, burst=1)
_OUTAGE = Outage(at_s=10, for_s=8)
_CROWD = 16


@dataclass(frozen=True)
class Column:
    """One setting. `requests` and `tokens` are what the clients are told of the limits."""

    name: str
    items: int
    behaviour: Behaviour
    requests: Rate | None = None
    tokens: Rate | None = None
    in_flight: int = IN_FLIGHT
    for_peers: bool = False
    bound_by: Rate | None = None
    """The client's own limit on requests, where it is the tighter one."""
    beside: int = 0
    """Items of a second, large scan; the first one starts while it is under way."""

    @property
    def bound_s(self) -> float:
        """Return the lower bound for these very latencies, which the fake draws from its seed."""
        behaviour, limits = self.behaviour, self.behaviour.limits
        draws = Random(behaviour.seed + 1)
        latencies = [behaviour.latency.draw(draws, 0) for _ in range(self.items)]
        charges = [(self.bound_by, self.items)] if self.bound_by else []
        charges += [(limits.requests, self.items)] if limits.requests else []
        charges += [(limits.tokens, self.items * CHARGED_TOKENS)] if limits.tokens else []
        return bound_s(
            self.items,
            latency_s=sum(latencies) / len(latencies),
            charges=charges,
            in_flight_max=min(behaviour.in_flight_max or self.in_flight, self.in_flight),
            outage=behaviour.outages[0] if behaviour.outages else None,
        )


def _behaviour(**other: object) -> Behaviour:
    told = {
        "latency": Latency(mean_s=LATENCY_S, sigma=SIGMA),
        "failing": 0.01,
        "overloaded": 0.01,
        "seed": SEED,
    }
    return Behaviour.model_validate(told | other)


_LIMITED = _behaviour(limits=Limits(requests=_RPM))
_SILENT = _behaviour(limits=Limits(requests=_RPM), openai_headers="none")

RPM = Column("600 RPM", 300, _LIMITED, _RPM, for_peers=True)
TPM = Column("480k TPM", 80, _behaviour(limits=Limits(tokens=_TPM)), tokens=_TPM, for_peers=True)
CROWD = Column("16 in flight", 600, _behaviour(in_flight_max=_CROWD), for_peers=True)
OUTAGE = Column(
    "8 s outage",
    300,
    _behaviour(limits=Limits(requests=_RPM), outages=(_OUTAGE,)),
    _RPM,
    for_peers=True,
)
MINUTE = Column(
    "minute's burst", 900, _behaviour(limits=Limits(requests=_MINUTE)), _MINUTE, for_peers=True
)
WINDOW = Column(
    "fixed window", 900, _behaviour(limits=Limits(requests=_WINDOW)), _WINDOW, for_peers=True
)
UNKNOWN = Column("unknown", 300, _LIMITED)
SILENT = Column("no headers", 300, _SILENT)
TOO_HIGH = Column("told 10x", 300, _SILENT, Rate(per_minute=6000, burst=50))
TOO_LOW = Column("told a tenth", 30, _LIMITED, _TENTH, bound_by=_TENTH)
ALONE = Column("20 alone", 20, _LIMITED, _RPM, in_flight=10)
BESIDE = Column("20 beside 600", 20, _LIMITED, _RPM, in_flight=10, beside=600)
HUNDRED = Column(
    "100 in flight", 1000, _behaviour(latency=Latency(mean_s=2.0, sigma=SIGMA)), in_flight=100
)
FEW = Column("1,000 items", 1000, Behaviour())
MANY = Column("20,000 items", 20_000, Behaviour())

COLUMNS = (
    *(RPM, TPM, CROWD, OUTAGE, MINUTE, WINDOW),
    *(UNKNOWN, SILENT, TOO_HIGH, TOO_LOW),
    *(ALONE, BESIDE, HUNDRED, FEW, MANY),
)
