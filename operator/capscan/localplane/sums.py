"""The SHA-256 of each program in a folder of the cache, written when it was put there.

A program is read again only where its size, its times or its inode differ from what they were: a
change sets the time of the inode, which nobody but root can set back. A folder that was made
before there were sums gets them when it is first used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from capscan.localplane.errors import Untrusted

RECORD = "sums.json"

Sums = dict[str, dict[str, Any]]


def record(folder: Path, names: Iterable[str]) -> None:
    """Write down what these programs are now. Raises OSError."""
    sums = _read(folder) | {name: _entry(folder / name) for name in names}
    fresh = folder / f".{RECORD}.{os.getpid()}"
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w") as file:  # noqa: PTH123
        json.dump(sums, file, indent=1)
    fresh.replace(folder / RECORD)


def check(folder: Path, names: Iterable[str]) -> None:
    """Raise Untrusted where a program is not the one that was put there. Raises OSError."""
    sums, changed = _read(folder), []
    for name in names:
        known, path = sums.get(name), folder / name
        if known and known["seen"] == _seen(path):
            continue
        changed.append(name)
        if known and known["sha256"] != (found := _sha256(path)):
            raise Untrusted(
                f"{path} is not the program that was put there: its SHA-256 is {found}, and was "
                f"{known['sha256']}. Remove its folder, and it is made anew: rm -r {folder}"
            )
    if changed and os.access(folder, os.W_OK):  # one of root's may be there to be read alone
        with contextlib.suppress(OSError):
            record(folder, changed)


def _entry(path: Path) -> dict[str, Any]:
    return {"sha256": _sha256(path), "seen": _seen(path)}


def _seen(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path) -> Sums:
    try:
        stored = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return {
            name: {"sha256": str(one["sha256"]), "seen": one["seen"]}
            for name, one in stored.items()
        }
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}
