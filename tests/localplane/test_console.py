"""What is shown while something takes long."""

from __future__ import annotations

import io
import time

import pytest

from capscan.localplane.console import CLEAR_LINE, Console, elapsed


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_waiting_in_place() -> None:
    """One line is rewritten, and taken away before the next line that stays."""
    terminal = Terminal()
    console = Console(terminal)
    console.waiting("1s")
    console.waiting("2s")
    console.waiting("2s")
    console.say("done")
    console.clear()

    assert terminal.getvalue() == f"{CLEAR_LINE}1s{CLEAR_LINE}2s{CLEAR_LINE}done\n"


def test_a_log_shows_waiting_now_and_then() -> None:
    """A line each time would fill the log of a CI job."""
    log = io.StringIO()
    console = Console(log)
    console.say("begin")
    console.waiting("1s")
    console.clear()

    assert log.getvalue() == "begin\n"


def test_a_log_shows_that_something_still_goes_on() -> None:
    """After the quiet time the line comes."""
    log = io.StringIO()
    Console(log, quiet_s=0).waiting("31s")

    assert log.getvalue() == "31s\n"


@pytest.mark.parametrize(("ago", "text"), [(0, "0s"), (59, "59s"), (61, "1m01s"), (600, "10m00s")])
def test_elapsed_time_is_short(ago: float, text: str) -> None:
    """It has seconds alone at first, then minutes too."""
    assert elapsed(time.monotonic() - ago) == text
