"""What a person sees while the control plane is fetched, built and started.

Some lines stay; one line is rewritten in place while something takes long. Where there is no
terminal (a CI log), that one becomes an ordinary line now and then: it shows life without filling
the log.
"""

from __future__ import annotations

import sys
import time
from typing import TextIO

QUIET_S = 30.0
CLEAR_LINE = "\r\x1b[K"


class Console:
    """Writes to `stream`, by default standard error: standard output is for `eval`."""

    def __init__(self, stream: TextIO | None = None, *, quiet_s: float = QUIET_S) -> None:
        self._stream = stream or sys.stderr
        self._quiet_s = quiet_s
        self._in_place = self._stream.isatty()
        self._spoke_at = time.monotonic()
        self._shown = ""

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self.clear()
        self._write(f"{line}\n")

    def waiting(self, line: str) -> None:
        """Show what is being waited for. It may be called as often as one likes."""
        if self._in_place:
            if line != self._shown:
                self._write(f"{CLEAR_LINE}{line}")
            self._shown = line
        elif time.monotonic() - self._spoke_at >= self._quiet_s:
            self._write(f"{line}\n")

    def clear(self) -> None:
        """Take the waiting line away: the waiting is over."""
        if self._in_place and self._shown:
            self._write(CLEAR_LINE)
            self._shown = ""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
        self._spoke_at = time.monotonic()


def elapsed(since: float) -> str:
    """Return the time since a reading of `time.monotonic()`, as `12s` or `3m05s`."""
    minutes, seconds = divmod(round(time.monotonic() - since), 60)
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"
