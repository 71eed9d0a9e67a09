"""Runs in virtual time, as discrete events, and how wrong what was said of their end turns out.

Three estimates are compared: ours, the rule of three (remaining / rate), and ours again with the
latencies of 512 earlier requests known beforehand. The last one tells what a run loses by having
to learn them; it is no lower bound on the error, as it believes in the same model.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import pairwise
from math import log
from random import Random
from statistics import fmean

from capscan.core.eta.forecast import Load, add_item, eta_s
from capscan.core.eta.latency import WINDOW, Latencies, add
from capscan.core.pace import Pace

Sampler = Callable[[Random], float]
"""Seconds that one request takes."""


def lognormal(mean_s: float, sigma: float) -> Sampler:
    return lambda random: random.lognormvariate(log(mean_s) - sigma**2 / 2, sigma)


def two_classes(random: Random) -> float:
    """Seven of ten requests are ten times as quick as the others."""
    return lognormal(0.4 if random.random() < 0.7 else 4.0, 0.3)(random)


def heavy_tail(random: Random) -> float:
    return min(60.0, 0.7 * random.paretovariate(1.7))


@dataclass(frozen=True)
class Setting:
    """The conditions that a run works under."""

    items: int
    latency: Sampler
    parallelism: int = 64
    items_per_s: float | None = None
    permits_at_start: int | None = None
    """They grow by one with each item, as in a slow start; None where parallelism is the bound."""
    permits_max: int = 64
    retry_share: float = 0.0
    closed_at_s: float | None = None
    """When a Retry-After closes the gate."""
    closed_s: float = 20.0
    fed_per_s: float | None = None
    """How many CRDs the API server delivers, which no estimate is told."""


@dataclass(frozen=True)
class Estimate:
    at_s: float
    ours_s: float | None
    naive_s: float
    informed_s: float | None


class Run:
    """One run of a setting; it keeps the estimates made at each 2.5 % from 5 % to 95 % of
    progress.
    """

    def __init__(self, setting: Setting, seed: int) -> None:
        self._setting = setting
        self._random = Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._events_seen = 0
        self._ready = 0 if setting.fed_per_s else setting.items
        self._began_s: dict[int, float] = {}
        self._done = 0
        self._permits = setting.permits_at_start or setting.parallelism
        self._burst = 1 + (setting.items_per_s or 0.0) * 0.03
        self._tokens, self._filled_s, self._token_at_s = self._burst, 0.0, 0.0
        self._load = Load(setting.items)
        self._informed = informed(setting)
        self.estimates: list[Estimate] = []
        self.now_s = 0.0

    def run(self) -> "Run":
        if self._setting.fed_per_s:
            for n in range(self._setting.items):
                self._at((n + 1) / self._setting.fed_per_s, self._make_ready)
        self._dispatch()
        while self._done < self._setting.items:
            self.now_s, _, happens = heappop(self._events)
            happens()
            self._dispatch()
        return self

    def _at(self, time_s: float, happens: Callable[[], None]) -> None:
        self._events_seen += 1
        heappush(self._events, (time_s, self._events_seen, happens))

    def _make_ready(self) -> None:
        self._ready += 1

    @property
    def _wait_s(self) -> float:
        closed_at_s = self._setting.closed_at_s
        if closed_at_s is None or self.now_s < closed_at_s:
            return 0.0
        return max(0.0, closed_at_s + self._setting.closed_s - self.now_s)

    @property
    def _pace(self) -> Pace:
        adaptive = self._setting.permits_at_start is not None
        return Pace(
            self._permits if adaptive else None,
            items_per_s=self._setting.items_per_s,
            wait_s=self._wait_s,
        )

    def _dispatch(self) -> None:
        if wait_s := self._wait_s:
            self._at(self.now_s + wait_s, lambda: None)
            return
        while self._ready and len(self._began_s) < self._permits and self._take_token():
            self._ready -= 1
            serial = self._events_seen
            self._began_s[serial] = self.now_s
            ends_s = self.now_s + self._setting.latency(self._random)
            self._at(ends_s, lambda serial=serial: self._answer(serial))  # type: ignore[misc]

    def _take_token(self) -> bool:
        if not (rate := self._setting.items_per_s):
            return True
        filled = self._tokens + (self.now_s - self._filled_s) * rate
        self._tokens, self._filled_s = min(self._burst, filled), self.now_s
        if self._tokens < 1 - 1e-9:
            if self._token_at_s <= self.now_s:
                self._token_at_s = self.now_s + (1 - self._tokens) / rate
                self._at(self._token_at_s, lambda: None)
            return False
        self._tokens -= 1
        return True

    def _answer(self, serial: int) -> None:
        took_s = self.now_s - self._began_s.pop(serial)
        if self._random.random() < self._setting.retry_share:
            self._load = replace(self._load, in_vain=add(self._load.in_vain, took_s))
            self._at(self.now_s + self._random.random(), self._make_ready)
            return
        self._load = replace(self._load, latencies=add(self._load.latencies, took_s))
        if self._setting.permits_at_start and 2 * (len(self._began_s) + 1) >= self._permits:
            self._permits = min(self._setting.permits_max, self._permits + 1)
        self._done += 1
        throughput = add_item(
            self._load.throughput,
            self.now_s,
            pace=self._pace,
            parallelism=self._setting.parallelism,
            in_flight=len(self._began_s),
        )
        self._load = replace(self._load, throughput=throughput)
        # The status is rendered after what an answer has set off, not in the middle of it.
        self._dispatch()
        self._estimate()

    def _estimate(self) -> None:
        items, done = self._setting.items, self._done
        if not items * 0.05 <= done <= items * 0.95 or 40 * done // items == (
            40 * (done - 1) // items
        ):
            return
        load = replace(
            self._load,
            queued=items - done - len(self._began_s),
            ages_s=[self.now_s - began_s for began_s in self._began_s.values()],
        )
        known = replace(load, latencies=self._informed, in_vain=self._in_vain_informed)
        ours_s, informed_s = (
            eta_s(each, self._pace, self._setting.parallelism, self.now_s) for each in (load, known)
        )
        naive_s = (items - done) * self.now_s / done
        self.estimates.append(Estimate(self.now_s, ours_s, naive_s, informed_s))

    @property
    def _in_vain_informed(self) -> Latencies:
        each, seen = 1 / (1 - self._setting.retry_share) - 1, self._informed
        return replace(seen, count=round(each * seen.count), total_s=each * seen.total_s)


def informed(setting: Setting) -> Latencies:
    """Return the estimate that a user would have seen last before that time."""
    random = Random(0)
    latencies = Latencies()
    for _ in range(WINDOW):
        latencies = add(latencies, setting.latency(random))
    return latencies


@dataclass(frozen=True)
class Score:
    """Shares of the makespan, averaged over 5 to 95 % of progress and over the seeds."""

    ours: float
    naive: float
    informed: float
    jitter: float
    """Between one predicted end and the next, 2.5 % of progress later."""
    naive_jitter: float
    covered: float
    """Share of the estimates that were not empty."""


def score(setting: Setting, seeds: int) -> Score:
    """Mean |predicted end - actual end| / makespan."""
    rows = [_score(Run(setting, seed).run()) for seed in range(seeds)]
    return Score(*(fmean(column) for column in zip(*rows, strict=True)))


def _score(run: Run) -> tuple[float, ...]:
    said = [e for e in run.estimates if e.ours_s is not None]
    ours = _errors(run, ((e.at_s, e.ours_s) for e in said))
    naive = _errors(run, ((e.at_s, e.naive_s) for e in said))
    known = _errors(run, ((e.at_s, e.informed_s) for e in said))
    return (
        *(fmean(map(abs, errors)) for errors in (ours, naive, known)),
        *(fmean(map(abs, _steps(errors))) for errors in (ours, naive)),
        len(said) / len(run.estimates),
    )


def _errors(run: Run, said: Iterable[tuple[float, float | None]]) -> list[float]:
    return [(at_s + (left_s or 0.0)) / run.now_s - 1 for at_s, left_s in said]


def _steps(values: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(values)]


RATE_BOUND = Setting(300, lognormal(0.5, 0.6), items_per_s=10)
CONCURRENCY_BOUND = Setting(300, lognormal(2, 0.8), parallelism=10)
RAMP = Setting(300, lognormal(0.5, 0.6), permits_at_start=1)

SETTINGS = {
    "rate-bound, 300": RATE_BOUND,
    "rate-bound, 1,000": replace(RATE_BOUND, items=1000),
    "concurrency-bound, 125": replace(CONCURRENCY_BOUND, items=125),
    "concurrency-bound, 300": CONCURRENCY_BOUND,
    "concurrency-bound, 1,000": replace(CONCURRENCY_BOUND, items=1000),
    "ramp from 1, 300": RAMP,
    "ramp from 16, 300": replace(RAMP, permits_at_start=16),
    "ramp from 1, 1,000": replace(RAMP, items=1000),
    "ramp from 16, 1,000": replace(RAMP, permits_at_start=16, items=1000),
    "ramp to 32 of 64, 1,000": replace(RAMP, permits_at_start=16, permits_max=32, items=1000),
    "2 % retries": replace(CONCURRENCY_BOUND, retry_share=0.02),
    "Retry-After, rate-bound": replace(RATE_BOUND, items=1000, closed_at_s=40),
    "Retry-After, concurrency-bound": replace(CONCURRENCY_BOUND, closed_at_s=25),
    "two classes": replace(CONCURRENCY_BOUND, latency=two_classes),
    "heavy tail": replace(CONCURRENCY_BOUND, latency=heavy_tail),
    "offline, API server 100/s": Setting(1000, lambda _: 2e-5, fed_per_s=100),
    "API server 40/s": Setting(1000, lognormal(0.5, 0.6), fed_per_s=40),
    "API server 100/s": Setting(1000, lognormal(0.5, 0.6), fed_per_s=100),
}

HEADER = f"{'% of makespan':32}{'ours':>7}{'naive':>7}{'informed':>10}{'jitter':>8}{'naive':>7}"


def row(name: str, of: Score) -> str:
    return (
        f"{name:32}{100 * of.ours:7.1f}{100 * of.naive:7.1f}{100 * of.informed:10.1f}"
        f"{100 * of.jitter:8.2f}{100 * of.naive_jitter:7.2f}"
    )
