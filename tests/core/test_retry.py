"""Whether an item is tried again, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.errors import (
    InferenceError,
    InferenceTimeout,
    InternalError,
    InvalidAnswer,
    ItemError,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnavailable,
    ProviderUnreachable,
    RateLimited,
    RequestRejected,
    StoreRejected,
)
from capscan.core.retry import BACKOFF_CAP_S, backoff_s, stepped_s, was_looked_at, worth_retrying


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ProviderUnavailable("away"), True),
        (InferenceTimeout("slow"), True),
        (InvalidAnswer("gibberish"), True),
        (RequestRejected("no"), False),
        (StoreRejected("no"), False),
        (InternalError("bug"), False),
    ],
)
def test_only_errors_that_may_pass_are_tried_again(error: ItemError, *, again: bool) -> None:
    assert worth_retrying(error, 1, 4) is again


@pytest.mark.parametrize(("made", "of", "again"), [(1, 1, False), (1, 2, True), (9, 9, False)])
def test_the_attempts_are_bounded(made: int, of: int, *, again: bool) -> None:
    assert worth_retrying(InvalidAnswer(), made, of) is again


@pytest.mark.parametrize(("made", "pause_s"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 30.0), (9, 30.0)])
def test_pauses_double_up_to_a_cap(made: int, pause_s: float) -> None:
    assert backoff_s(InvalidAnswer(), made, jitter=1.0) == pause_s


@given(st.integers(1, 20), st.floats(0, 1))
def test_jitter_is_full(made: int, jitter: float) -> None:
    """A pause is anything from none to the cap, so that items which failed together part."""
    assert 0 <= backoff_s(InvalidAnswer(), made, jitter) <= BACKOFF_CAP_S
    assert backoff_s(InvalidAnswer(), made, 0.0) == 0


@given(st.floats(0, 3600), st.floats(0, 1))
def test_a_wait_that_was_asked_for_is_never_shortened(asked_s: float, jitter: float) -> None:
    error = ProviderUnavailable("later", retry_after_s=asked_s)

    assert backoff_s(error, 1, jitter) >= asked_s


@given(st.lists(st.floats(0, 60), min_size=1), st.integers(0, 99))
def test_steps_are_taken_in_order_and_the_last_one_repeats(
    pauses_s: list[float], before: int
) -> None:
    assert stepped_s(pauses_s, before) == [*pauses_s, *[pauses_s[-1]] * 100][before]


@pytest.mark.parametrize(
    ("error", "looked_at"),
    [
        (InvalidAnswer(), True),
        (InferenceTimeout(), True),
        (ProviderFailed(), True),
        (RateLimited(), False),
        (ProviderOverloaded(), False),
        (ProviderUnavailable(), False),
        (ProviderUnreachable(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_says_whether_the_provider_worked_on_the_request(
    error: InferenceError, *, looked_at: bool
) -> None:
    assert was_looked_at(error) is looked_at
