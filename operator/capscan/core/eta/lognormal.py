"""The lognormal distribution, which latencies of model calls follow well enough, and its fit.

The fit also uses the requests that are still under way, as censored at their ages. Without them the
first answers of a run, which are the quick ones, would stand for all of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import erfc, exp, hypot, inf, log, log1p, pi, sqrt

SECONDS_MIN = 1e-6
SECONDS_MAX = 1e9
SIGMA_MAX = 3.0
"""Values beyond these bounds are replaced by the bounds, so that everything here is finite."""

PRIOR_SIGMA = 0.7
PRIOR_SAMPLES = 4.0
"""The spread that is assumed at first, and how many answers it takes to outweigh it."""

ITERATIONS_MAX = 30
STEP_MIN = 1e-6


@dataclass(frozen=True, slots=True)
class Lognormal:
    """The distribution of seconds whose logarithm is normal with mean `mu` and deviation
    `sigma`.
    """

    mu: float
    sigma: float

    @property
    def mean_s(self) -> float:
        """The expected time."""
        return exp(self.mu + self.sigma**2 / 2)

    def z(self, seconds: float) -> float:
        """Return by how many deviations the logarithm is above its mean."""
        return (_log(seconds) - self.mu) / self.sigma

    def log_done(self, seconds: float, age_s: float = 0.0) -> float:
        """Return the logarithm of the probability that a request which has taken `age_s` so far
        ends within `seconds` more.
        """
        if seconds <= 0:
            return -inf
        survives = _log_upper(self.z(age_s + seconds))
        if age_s > 0:
            survives -= _log_upper(self.z(age_s))
        return log1p(-exp(survives)) if survives < 0 else -inf


def fit(finished_s: Iterable[float], ages_s: Iterable[float]) -> Lognormal:
    """Return the most likely distribution for at least one finished time and the ages of the rest.

    In 1/sigma and mu/sigma the likelihood of a censored normal is concave (Olsen, "Note on the
    Uniqueness of the Maximum Likelihood Estimator for the Tobit Model", 1978): there is one
    maximum, and Newton's method finds it from anywhere.
    """
    logs, ages = [_log(seconds) for seconds in finished_s], [_log(age_s) for age_s in ages_s]
    count, total = len(logs), sum(logs)
    spread = count + PRIOR_SAMPLES
    squares = sum(y * y for y in logs) + PRIOR_SAMPLES * PRIOR_SIGMA**2
    theta = 1 / PRIOR_SIGMA
    gamma = theta * total / count
    for _ in range(ITERATIONS_MAX):
        by_gamma = theta * total - count * gamma
        by_theta = spread / theta - theta * squares + gamma * total
        gamma2, cross, theta2 = float(count), -total, spread / theta**2 + squares
        for age in ages:
            z = theta * age - gamma
            hazard = exp(-z * z / 2 - _log_upper(z)) / sqrt(2 * pi)
            bend = max(hazard * (hazard - z), 0.0)
            by_gamma += hazard
            by_theta -= hazard * age
            gamma2 += bend
            cross -= bend * age
            theta2 += bend * age * age
        determinant = gamma2 * theta2 - cross * cross
        gamma_step = (theta2 * by_gamma - cross * by_theta) / determinant
        theta_step = (gamma2 * by_theta - cross * by_gamma) / determinant
        # A step may at most halve theta, which has to stay positive.
        share = min(1.0, theta / (-2 * theta_step)) if theta_step < 0 else 1.0
        gamma += share * gamma_step
        theta += share * theta_step
        if hypot(gamma_step, theta_step) < STEP_MIN:
            break
    sigma = min(1 / theta, SIGMA_MAX)
    return Lognormal(gamma / theta, sigma)


def _log(seconds: float) -> float:
    return log(min(max(seconds, SECONDS_MIN), SECONDS_MAX))


def _log_upper(z: float) -> float:
    """Return the logarithm of the standard normal distribution's upper tail; where it is tiny, by
    its asymptote.
    """
    if z < 30:
        return log(erfc(z / sqrt(2)) / 2)
    return -z * z / 2 - log(z * sqrt(2 * pi))
