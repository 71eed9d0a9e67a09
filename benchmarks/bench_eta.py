"""How wrong an estimate of a run's end is, beside the rule of three (remaining / rate so far).

Runs are simulated: what is measured is arithmetic, not this machine. The error is the mean of
|predicted end - actual end| / makespan over 5 to 95 % of progress.
"""

from collections.abc import Iterator
from statistics import fmean

from tests.core.eta.simulation import SETTINGS, score

from benchmarks.figures import Figure

SEEDS = 24
JUDGED = ("rate-bound, 1,000", "concurrency-bound, 1,000", "ramp from 16, 1,000")


def measure() -> Iterator[Figure]:
    """Measure every setting both ways, then the three that are judged."""
    errors: dict[str, float] = {}
    for name, setting in SETTINGS.items():
        of = score(setting, SEEDS)
        errors[name] = of.ours * 100
        yield Figure(name, errors[name], "%", 7 if name in JUDGED else None)
        yield Figure("  rule of three / ours", of.naive / max(of.ours, 1e-9), "x")
    yield Figure("mean of the three at 1,000", fmean(errors[name] for name in JUDGED), "%", 5)
