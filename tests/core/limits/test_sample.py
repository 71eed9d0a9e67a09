"""What each error says of the provider that it came from."""

import math

import pytest

from capscan.core import errors
from capscan.core.errors import InferenceError
from capscan.core.limits.sample import Signal, of_failure
from capscan.model import Usage
from capscan.model.completion import NO_USAGE


@pytest.mark.parametrize(
    ("error", "signal"),
    [
        (errors.RateLimited, Signal.REFUSED),
        (errors.ProviderOverloaded, Signal.OVERLOADED),
        (errors.InferenceTimeout, Signal.LATE),
        (errors.ItemTimeout, Signal.ABANDONED),
        (errors.ProviderUnreachable, Signal.UNREACHED),
        (errors.ProviderUnavailable, Signal.GONE),
        (errors.ProviderFailed, Signal.FAILED),
        (errors.ContextTooLong, Signal.DECLINED),
        (errors.RequestRejected, Signal.DECLINED),
        (errors.InvalidAnswer, Signal.ANSWERED),
        (errors.AnswerRefused, Signal.ANSWERED),
    ],
)
def test_each_error_gives_its_signal(error: type[InferenceError], signal: Signal) -> None:
    """An item out of time says nothing of it, a request out of time does; no connection is not the
    same as a broken one; what is merely no good answer shows a provider that works.
    """
    assert of_failure(error("words")).signal is signal


def test_what_a_failure_has_cost_and_asks_for_is_kept() -> None:
    usage = Usage(1, 100, 0, 20)
    error = errors.RateLimited("429", retry_after_s=7.0)
    error.usage = usage

    said = of_failure(error, 3.0)
    assert (said.usage, said.retry_after_s, said.broke_at_s) == (usage, 7.0, 3.0)
    nothing = of_failure(errors.ProviderFailed("500"))
    assert (nothing.usage, nothing.retry_after_s, nothing.broke_at_s) == (NO_USAGE, None, math.inf)
