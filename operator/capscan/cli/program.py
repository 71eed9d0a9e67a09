"""How one types this program, for hints that can be pasted into a shell."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path


def program() -> str:
    """Return `capscan` where PATH leads to this one, otherwise its path, as short as it is from
    here.
    """
    own = Path(sys.executable).with_name("capscan")
    found = shutil.which("capscan")
    if found and Path(found).absolute() == own:
        return "capscan"
    if not os.access(own, os.X_OK):
        return f"{shlex.quote(_from_here(Path(sys.executable)))} -m capscan"
    return shlex.quote(_from_here(own))


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
