"""Estimates when a run will be done, from what is known of it now.

The remaining requests start one by one, as fast as permits, the account's limits or the work around
the calls allow, and each takes a time out of the fitted distribution. The estimate is the median of
the time at which all of them have ended. So the rest of the slowest request counts, which no rate
shows. There is no estimate while too few answers are there. `latency.py` keeps their times.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, log
from statistics import fmean

from capscan.core.eta.latency import Latencies
from capscan.core.eta.lognormal import Lognormal, fit
from capscan.core.pace import RAMP, Pace

SAMPLES_MIN = 5
"""So many finished requests make an estimate, and so many settled items make a rate."""

ETA_S_MAX = 365 * 86_400.0

RATE_WINDOW = 256
RAMP_WINDOW = 16
"""A rate is computed from so many settled items, since it has to be steady. How permits grow and
are used is read from so many of the newest ones, since a ramp has to be followed."""

BUSY_MIN = 0.9
"""Where a smaller share of the permits than this is in use, something else is the bound."""

TAIL_MAX = 512
"""So many requests, counted from the last one, may still be under way when the last one starts."""
NEGLIGIBLE = -1e-4
"""Logarithm of the chance that a request is done. Above it the earlier requests count as done
too."""
PRECISION = 1e-3
LOG_HALF = -log(2)


@dataclass(frozen=True, slots=True)
class Throughput:
    """When this process has settled its newest items, and how permits were used at the time."""

    settled_s: tuple[float, ...] = ()
    permits: tuple[int, ...] = ()
    in_flight: tuple[int, ...] = ()

    def rate_per_s(self, now_s: float) -> float | None:
        """Items per second; None where too few were settled, or all at once."""
        if len(self.settled_s) < SAMPLES_MIN or now_s <= self.settled_s[0]:
            return None
        return (len(self.settled_s) - 1) / (now_s - self.settled_s[0])

    @property
    def growth(self) -> float:
        """Permits gained per item: 1 in a slow start, 0 where they stay or shrink."""
        if len(self.permits) < 2:
            return 0.0
        gained = self.permits[-1] - self.permits[0]
        return min(1.0, max(0.0, gained / (len(self.permits) - 1)))


@dataclass(frozen=True, slots=True)
class Load:
    """What a run has left to do, and what it has seen so far."""

    queued: int
    """Items that are neither settled nor under way: waiting, getting ready, or backing off."""
    ages_s: Sequence[float] = ()
    """How long each request under way has taken so far."""
    latencies: Latencies = field(default_factory=Latencies)
    in_vain: Latencies = field(default_factory=Latencies)
    """Times of requests that failed. Each means one more request, and tells nothing of how long an
    answer takes."""
    throughput: Throughput = field(default_factory=Throughput)


def add_item(
    throughput: Throughput, now_s: float, *, pace: Pace, parallelism: int, in_flight: int
) -> Throughput:
    """Return the throughput after one more settled item; `in_flight` counts the requests that are
    still under way.

    A closed gate tells nothing about the time after it, so the count begins again.
    """
    if pace.wait_s > 0:
        return Throughput()
    return Throughput(
        (*throughput.settled_s[1 - RATE_WINDOW :], now_s),
        (*throughput.permits[1 - RAMP_WINDOW :], _permits(pace, parallelism)),
        (*throughput.in_flight[1 - RAMP_WINDOW :], in_flight + 1),
    )


def eta_s(load: Load, pace: Pace, parallelism: int, now_s: float) -> float | None:
    """Return the seconds until the run is done: the median, so that more is as likely as less. None
    while too little is known.

    The result is positive while anything is left, and a year at most. `now_s` is by the clock of
    `add_item`.
    """
    latencies = load.latencies
    if not load.queued and not load.ages_s:
        return 0.0
    if latencies.count < SAMPLES_MIN or not pace.returns:
        return None
    latency = fit(latencies.recent_s, load.ages_s)
    failing = load.in_vain.count / (latencies.count + load.in_vain.count)
    requests = (load.queued + failing * len(load.ages_s)) / (1 - failing)
    mean_s = (1 - failing) * latency.mean_s + failing * (load.in_vain.average_s or 0.0)
    starts = _starts(load, pace, parallelism, mean_s, now_s)
    last_s = [starts.at_s(requests - n) for n in range(TAIL_MAX) if n < requests]
    return _all_done_s(latency, load.ages_s, last_s)


@dataclass(frozen=True, slots=True)
class _Starts:
    """What decides when the remaining requests start."""

    wait_s: float
    mean_s: float
    permits: float
    permits_max: float
    growth: float
    observed_per_s: float

    def at_s(self, nth: float) -> float:
        """Return the seconds until the nth request from now starts.

        A request that ends makes room for 1 + growth others, so the time is the integral of
        mean / permits over the ends, up to where permits stop growing.
        """
        growth = self.growth if self.permits < self.permits_max else 0.0
        permits, ramp_s, ramp_ends = self.permits, 0.0, 0.0
        if growth > 0:
            ramp_ends = min(nth / (1 + growth), (self.permits_max - permits) / growth)
            ramp_s = self.mean_s / growth * log(1 + growth * ramp_ends / permits)
            permits = self.permits_max
        steady_s = (nth - ramp_ends * (1 + growth)) * self.mean_s / permits
        return self.wait_s + max(ramp_s + steady_s, nth / self.observed_per_s)


def _starts(load: Load, pace: Pace, parallelism: int, mean_s: float, now_s: float) -> _Starts:
    # By Little's law a rate bounds how many requests are in flight, as permits do.
    limit = (pace.items_per_s or inf) * mean_s
    recovering = pace.permits is not None and pace.permits < pace.permits_soon
    permits = min(float(_permits(pace, parallelism)), limit)
    used = load.throughput.in_flight
    idle = (
        not pace.wait_s
        and bool(used)
        and fmean(used) < BUSY_MIN * permits
        and len(load.ages_s) < _permits(pace, parallelism)
        and not recovering
    )
    observed = load.throughput.rate_per_s(now_s) if idle else None
    return _Starts(
        wait_s=pace.wait_s,
        mean_s=mean_s,
        permits=permits,
        permits_max=min(float(parallelism), limit, pace.permits_soon if recovering else inf),
        growth=RAMP if recovering else load.throughput.growth,
        observed_per_s=observed or inf,
    )


def _permits(pace: Pace, parallelism: int) -> int:
    return max(1, min(parallelism, pace.permits or parallelism))


def _all_done_s(latency: Lognormal, ages_s: Sequence[float], last_s: Sequence[float]) -> float:
    """Return the median time at which the last request ends, among those under way and those that
    start at `last_s`.
    """

    def log_done(after_s: float) -> float:
        chance = 0.0
        for age_s in ages_s:
            chance += latency.log_done(after_s, age_s)
            if chance < LOG_HALF:
                return chance
        for start_s in last_s:
            one = latency.log_done(after_s - start_s)
            chance += one
            if one > NEGLIGIBLE or chance < LOG_HALF:
                break
        return chance

    low_s, high_s = 0.0, max(last_s, default=0.0) + latency.mean_s
    while high_s < ETA_S_MAX and log_done(high_s) < LOG_HALF:
        low_s, high_s = high_s, 2 * high_s
    while high_s - low_s > PRECISION * high_s:
        middle_s = (low_s + high_s) / 2
        if log_done(middle_s) < LOG_HALF:
            low_s = middle_s
        else:
            high_s = middle_s
    return min(high_s, ETA_S_MAX)
