"""`make capture`: runs the demo in a pseudo-terminal and records it.

docs/demo.cast is the whole recording, for asciinema (its format:
https://docs.asciinema.org/manual/asciicast/v2/). docs/demo.svg is the two sections that one shows
to others, as the terminal had them in the end. Nothing is edited; a recording that names this
machine or its user is refused.
"""

import codecs
import fcntl
import json
import os
import pty
import re
import socket
import struct
import sys
import termios
import time
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

COLUMNS, ROWS = 100, 30
TITLE = "make demo"
DOCS = Path(__file__).parent
SHOWN = ("What can this cluster do?", "So that is what")
"""Beginnings of the headings whose sections are in the picture."""
HEADING = re.compile(r"^\d+\. ")
TOKEN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+")


def record(command: list[str]) -> tuple[list[tuple[float, str]], int]:
    """Return what the command writes to a terminal, with the seconds since its start, and its exit
    code.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(ROWS))
        os.environ.pop("NO_COLOR", None)
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    began_s = time.monotonic()
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    events: list[tuple[float, str]] = []
    while True:
        try:
            read = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other side is closed
            read = b""
        if not read:
            break
        text = decode(read)
        events.append((round(time.monotonic() - began_s, 3), text))
        sys.stdout.write(text)
        sys.stdout.flush()
    return events, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def screen(text: str) -> list[str]:
    """Return the lines that a terminal without end has in the end; colours stay in them.

    It knows what rich and the control plane's console write: line feeds, going up, wiping a line.
    """
    lines, row = [""], 0
    fresh = False
    """The cursor is at the margin: what comes next takes the place of the line."""
    for token in TOKEN.findall(text):
        if token == "\n":
            row, fresh = row + 1, False
            lines += [""] * (row + 1 - len(lines))
        elif token == "\r":
            fresh = True
        elif token.endswith("A") and token.startswith("\x1b"):
            row = max(0, row - int(token[2:-1] or 1))
        elif token.endswith("K") and token.startswith("\x1b"):
            lines[row] = ""
        elif not token.startswith("\x1b") or token.endswith("m"):
            lines[row] = token if fresh else lines[row] + token
            fresh = False
    return lines


def sections(lines: Iterable[str]) -> list[str]:
    """Return the sections of `SHOWN`, with an ellipsis where something is left out between them."""
    found: list[str] = []
    shown = False
    for line in lines:
        plain = Text.from_ansi(line).plain
        if HEADING.match(plain):
            heading = HEADING.sub("", plain)
            shown = heading.startswith(SHOWN)
            if shown and found:
                found += ["…", ""]
        if shown:
            found.append(line)
    return found


def picture(lines: Iterable[str]) -> str:
    """Return an SVG that asks no other site for its font."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    for line in lines:
        console.print(Text.from_ansi(line), no_wrap=True, overflow="crop")
    svg = console.export_svg(title=TITLE, theme=MONOKAI, unique_id="demo")
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    # librsvg takes even no-break spaces for white space that may go.
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def cast(events: Iterable[tuple[float, str]]) -> str:
    """Return asciicast v2: a header, then one line for each event."""
    header = {"version": 2, "width": COLUMNS, "height": ROWS, "title": TITLE}
    rows = [[time_s, "o", text] for time_s, text in events]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in (header, *rows))


def leaks(text: str) -> list[str]:
    """Return what names this machine or its user: their folders, `user@`, `@host`, `host/`."""
    host, user = re.escape(socket.gethostname()), re.escape(Path.home().name or "root")
    folders = [re.escape(str(path)) for path in (Path.home(), Path.cwd()) if path.name]
    names = [rf"\b{user}@", rf"@{host}\b", rf"(?<![\w.-]){host}/"]
    return sorted(set(re.findall("|".join([*folders, *names]), text)))


def main() -> None:
    """Record the demo, check the recording, write both files."""
    events, code = record([sys.executable, "-m", "capscan", "demo"])
    text = "".join(said for _, said in events)
    if code:
        raise SystemExit(f"the demo ended with {code}; nothing is written")
    if found := leaks(text):
        raise SystemExit(
            f"the recording names this machine: {', '.join(found)}; nothing is written"
        )
    (DOCS / "demo.cast").write_text(cast(events), encoding="utf-8")
    (DOCS / "demo.svg").write_text(picture(sections(screen(text))), encoding="utf-8")


if __name__ == "__main__":
    main()
