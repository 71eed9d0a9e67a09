"""The circuit breaker: when it opens, what it lets through, when it closes."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.limits import breaker as breakers
from capscan.core.limits.breaker import PAUSE_S_MAX, Breaker
from capscan.model.provider import Circuit, CircuitBreaker

RULES = CircuitBreaker()
NEW = Breaker()


def after(results: str, rules: CircuitBreaker = RULES, breaker: Breaker = NEW) -> Breaker:
    """`.` for an answer, `x` for a failure, `a` for one that found nobody, all at second zero; ends
    when it opens.
    """
    for result in results:
        if breaker.circuit is Circuit.OPEN:
            break
        breaker = breakers.on_result(
            breaker, rules, failed=result != ".", absent=result == "a", now_s=0.0
        )
    return breaker


@pytest.mark.parametrize(
    ("results", "circuit"),
    [
        ("xxxxxxxxx", Circuit.CLOSED),
        ("xxxxxxxxxx", Circuit.OPEN),
        ("....xxxxxx", Circuit.CLOSED),
        ("...xxxxxxx", Circuit.OPEN),
        ("...................." + "xxxxxx", Circuit.CLOSED),
        ("...................." + "xxxxxxx", Circuit.OPEN),
        ("xxx.xxx.xx.xx.xx.xx.", Circuit.OPEN),
        (".x" * 50, Circuit.CLOSED),
    ],
)
def test_it_opens_when_too_many_of_the_newest_failed(results: str, circuit: Circuit) -> None:
    assert after(results).circuit is circuit


@pytest.mark.parametrize(
    ("results", "circuit"),
    [
        ("aa", Circuit.CLOSED),
        ("aaa", Circuit.OPEN),
        ("....................aaa", Circuit.OPEN),
        ("aa.aa.aa", Circuit.CLOSED),
        ("axaxa", Circuit.OPEN),
        ("xxxx", Circuit.CLOSED),
    ],
)
def test_it_opens_when_nobody_was_there_three_times_in_a_row(
    results: str, circuit: Circuit
) -> None:
    """What failed otherwise in between is no sign that somebody was."""
    assert after(results).circuit is circuit


@pytest.mark.parametrize("failure", ["x", "a"])
def test_at_a_hundred_percent_it_never_opens(failure: str) -> None:
    """No more than all of them can fail."""
    assert after(failure * 100, CircuitBreaker(failure_percent=100)).circuit is Circuit.CLOSED


@given(st.lists(st.sampled_from("afo"), max_size=60), st.integers(1, 20), st.integers(1, 99))
def test_an_open_circuit_admits_nothing_and_a_half_open_one_a_single_probe(
    events: list[str], minimum: int, percent: int
) -> None:
    rules = CircuitBreaker(minimum_requests=minimum, failure_percent=percent)
    breaker, now_s = Breaker(), 0.0
    for event in events:
        now_s += 0.1
        if breaker.circuit is Circuit.CLOSED:
            breaker = breakers.on_result(breaker, rules, failed=event == "f", now_s=now_s)
            continue
        assert breakers.ready_s(breaker, now_s) > now_s
        now_s = breakers.ready_s(breaker, now_s)
        breaker = breakers.admitted(breaker)
        assert breakers.ready_s(breaker, now_s) == math.inf
        if event == "o":
            breaker = breakers.on_abandoned(breaker, now_s - 0.2)
            now_s -= 0.2
            assert breakers.ready_s(breaker, now_s) == now_s
            now_s = breakers.ready_s(breaker, now_s)
            breaker = breakers.admitted(breaker)
        breaker = breakers.on_probe(breaker, rules, failed=event == "f", now_s=now_s)


def test_one_answer_closes_it_with_a_clean_slate() -> None:
    opened = breakers.admitted(after("x" * 10))
    closed = breakers.on_probe(opened, RULES, failed=False, now_s=2.0)

    assert closed == Breaker(openings=1)


def test_pauses_are_even_at_first_and_double_up_to_a_bound() -> None:
    breaker, pauses_s, now_s = after("x" * 10), [], 0.0
    for _ in range(12):
        pauses_s.append(breaker.until_s - now_s)
        now_s = breaker.until_s
        breaker = breakers.on_probe(breakers.admitted(breaker), RULES, failed=True, now_s=now_s)

    assert pauses_s == [2, 2, 2, 2, 2, 2, 4, 8, 16, PAUSE_S_MAX, PAUSE_S_MAX, PAUSE_S_MAX]


def test_a_pause_that_was_set_longer_than_the_bound_stays() -> None:
    rules = CircuitBreaker(open_for=timedelta(minutes=5))

    assert after("x" * 10, rules).until_s == 300.0
