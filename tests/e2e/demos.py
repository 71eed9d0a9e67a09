"""What tests of a demo need: what it says on a terminal, and what it leaves running."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path


def read_until(terminal: int, text: str | None) -> str:
    """Read what comes up to that text, or all of it."""
    said = ""
    with suppress(OSError):  # how Linux says that the other side is closed
        while text is None or text not in said:
            if not (read := os.read(terminal, 65536)):
                break
            said += read.decode(errors="replace")
    assert text is None or text in said, said
    return said


def processes(folder: Path) -> list[str]:
    """Return the commands of all processes that have the folder in their command."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True
    )
    return [line for line in listing.stdout.splitlines() if str(folder) in line]
