"""Whether an item is tried again, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.errors import (
    InferenceTimeout,
    InternalError,
    InvalidAnswer,
    ItemError,
    ProviderUnavailable,
    RequestRejected,
    StoreRejected,
)
from capscan.core.retry import BACKOFF_CAP_S, retry_delay_s


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
def test_only_what_may_change_is_tried_again(error: ItemError, *, again: bool) -> None:
    assert (retry_delay_s(error, 1, 4, jitter=0.5) is not None) is again


@pytest.mark.parametrize(
    ("attempt", "of", "delay_s"),
    [(1, 1, None), (1, 2, 1.0), (2, 2, None), (2, 3, 2.0), (3, 9, 4.0), (6, 9, 30.0), (9, 9, None)],
)
def test_pauses_double_up_to_a_cap_and_end_with_the_attempts(
    attempt: int, of: int, delay_s: float | None
) -> None:
    assert retry_delay_s(InvalidAnswer(), attempt, of, jitter=1.0) == delay_s


@given(st.integers(1, 20), st.floats(0, 1))
def test_jitter_is_full(attempt: int, jitter: float) -> None:
    """Anything from none to the cap, so that those who failed together part."""
    delay_s = retry_delay_s(InvalidAnswer(), attempt, 21, jitter)

    assert delay_s is not None
    assert 0 <= delay_s <= BACKOFF_CAP_S
    assert retry_delay_s(InvalidAnswer(), attempt, 21, 0.0) == 0


@given(st.floats(0, 3600), st.floats(0, 1))
def test_a_wait_that_was_asked_for_is_never_shortened(asked_s: float, jitter: float) -> None:
    error = ProviderUnavailable("later", retry_after_s=asked_s)
    delay_s = retry_delay_s(error, 1, 4, jitter)

    assert delay_s is not None
    assert delay_s >= asked_s
