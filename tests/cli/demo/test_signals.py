"""What Ctrl-C and SIGTERM may interrupt."""

import os
import signal

import pytest

from capscan.cli.demo.signals import SIGNALS, terminated_like_interrupted, undisturbed


@pytest.mark.parametrize("number", SIGNALS)
def test_a_block_that_must_not_be_disturbed_ends_first(number: signal.Signals) -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), undisturbed():  # noqa: PT012
        os.kill(os.getpid(), number)
        done = True

    assert done


def test_the_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with terminated_like_interrupted(), undisturbed():
        pass

    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_being_terminated_is_like_being_interrupted() -> None:
    with pytest.raises(KeyboardInterrupt), terminated_like_interrupted():
        os.kill(os.getpid(), signal.SIGTERM)
