"""What the reader sees: a heading for each step, the commands as they are run, what they print.

Where there is no terminal these are plain lines without control codes. NO_COLOR takes the colours
away (rich sees to that).
"""

import sys
import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from capscan.core.text import printable


class Screen:
    """Standard output, and how long it has been in use."""

    def __init__(self, console: Console | None = None) -> None:
        # Said outright, or FORCE_COLOR would bring control codes into a pipe.
        self.console = console or Console(force_terminal=sys.stdout.isatty())
        self._began_s = time.monotonic()
        self._step = 0

    @property
    def live(self) -> bool:
        """Return whether what has been shown can be changed in place."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._began_s

    def title(self, text: str) -> None:
        """Print a line at the margin."""
        self._print(text)

    def heading(self, text: str) -> None:
        """Print the heading of the next step."""
        self._step += 1
        self._print("")
        self._print(f"{self._step}. {text}", "bold")

    def command(self, line: str) -> None:
        """Print a command, as one types it."""
        self._print(f"   $ {line}", "cyan")

    def note(self, text: str) -> None:
        """Print a line of this program's own, or of a command."""
        self._print(f"   {text}")

    def output(self, text: str) -> None:
        """Print what a command printed. On a terminal, lines end where the window does."""
        for line in text.splitlines():
            shown = Text(f"   {_safe(line)}")
            if self.live:
                self.console.print(shown, no_wrap=True, overflow="ellipsis")
            else:
                self._print(shown.plain)

    def lines(self, lines: Iterable[str]) -> None:
        """Print several lines at once."""
        for line in lines:
            self.note(line)

    def _print(self, text: str, style: str = "") -> None:
        shown = "\n".join(_safe(line) for line in text.split("\n"))
        self.console.print(Text(shown, style), soft_wrap=True)


def _safe(line: str) -> str:
    """Return a line without control codes: some of it is what strangers wrote into objects."""
    return printable(line.expandtabs())


def short(path: Path) -> str:
    """Return the path as one would type it from here."""
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return f"{prefix}{path.relative_to(base)}"
    return str(path)


def first_rows(table: str, rows: int) -> tuple[str, int]:
    """Return the head and that many rows of kubectl's table, and how many rows are left out."""
    lines = table.splitlines()
    return "\n".join(lines[: rows + 1]), max(0, len(lines) - 1 - rows)
