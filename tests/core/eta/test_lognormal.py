"""The fit: it finds what the samples came from, also where the slow ones are still under way."""

from math import exp, isfinite, log
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.eta.lognormal import Lognormal, fit

SECONDS = st.floats(0, 1e300)
SOURCE = Lognormal(mu=log(2), sigma=0.8)


def samples(count: int, seed: int = 0) -> list[float]:
    random = Random(seed)
    return sorted(random.lognormvariate(SOURCE.mu, SOURCE.sigma) for _ in range(count))


def test_a_fit_finds_the_distribution_of_its_samples() -> None:
    found = fit(samples(2000), [])

    assert found.mu == pytest.approx(SOURCE.mu, abs=0.05)
    assert found.sigma == pytest.approx(SOURCE.sigma, abs=0.05)


def test_slow_requests_count_before_they_are_back() -> None:
    """After the quickest 16 of 64, the plain average would be a quarter of the true one."""
    means_s = []
    for seed in range(50):
        answered = samples(64, seed)[:16]
        means_s.append(fit(answered, [answered[-1]] * 48).mean_s)

    assert fmean(means_s) == pytest.approx(SOURCE.mean_s, rel=0.15)


def test_equal_samples_do_not_pretend_that_all_are_equal() -> None:
    assert fit([2.0] * 5, []).sigma > 0.3


def test_half_are_done_by_the_median_time() -> None:
    assert exp(SOURCE.log_done(2)) == pytest.approx(0.5)
    assert SOURCE.log_done(0) < -1e9


def test_a_request_that_has_taken_long_is_expected_to_take_longer() -> None:
    """The tail of a lognormal is heavy: age speaks for more to come."""
    assert SOURCE.log_done(1, age_s=20) < SOURCE.log_done(1, age_s=2)


@given(st.lists(SECONDS, min_size=1, max_size=30), st.lists(SECONDS, max_size=30))
def test_every_fit_is_finite(finished_s: list[float], ages_s: list[float]) -> None:
    found = fit(finished_s, ages_s)

    assert isfinite(found.mean_s)
    assert 0 < found.sigma <= 3


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9))
def test_the_chance_that_a_request_is_done_never_falls(
    first_s: float, second_s: float, age_s: float
) -> None:
    sooner, later = sorted((first_s, second_s))

    assert SOURCE.log_done(sooner, age_s) <= SOURCE.log_done(later, age_s) + 1e-9 <= 1e-9
