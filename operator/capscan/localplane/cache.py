"""Where the programs and CRDs are kept between runs, and how processes take turns making them.

The cache lies outside every checkout, so that a second clone builds nothing. Its entries appear
whole or not at all: they are made under a temporary name and renamed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from capscan.localplane.console import Console, elapsed
from capscan.localplane.errors import Untrusted, Unwritable
from capscan.localplane.ownership import make_folder, objection, objection_to

LOCK_POLL_S = 0.2
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


PID_BYTES_MAX = 20


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return `$CAPSCAN_CACHE`, else `capscan` in `$XDG_CACHE_HOME` or `~/.cache`. It is not created
    here. Raises Unwritable where there is no home folder, Untrusted where others may write it:
    programs in it are executed.
    """
    folder = _cache_folder(environ)
    if why := _objection(folder):
        raise Untrusted(
            f"the cache folder {folder} {why}, so nothing in it is executed. Choose one that is "
            f"yours alone, CAPSCAN_CACHE=/path/to/folder; or, if all in it is yours: chmod -R go-w "
            f"{folder}"
        )
    return folder


def check_entry(path: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Raise Untrusted where others may write this file, or a folder between it and the cache's."""
    root = cache_folder(environ)
    for one in (path, *path.parents):
        if one == root:
            return
        if why := _objection(one):
            raise Untrusted(
                f"{one} {why}, so it is not executed. Remove it, and it is made anew: rm -r {one}"
            )


def _objection(path: Path) -> str:
    try:
        return objection(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return ""  # whoever needs it says so


def _cache_folder(environ: Mapping[str, str]) -> Path:
    if chosen := environ.get("CAPSCAN_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(base).expanduser().absolute() / "capscan"
    except RuntimeError:  # a user whom the system does not know, as in some containers
        raise Unwritable("there is no home folder. Set CAPSCAN_CACHE=/path/to/folder") from None


@contextmanager
def writing(environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Write to the cache inside this block: an OSError becomes Unwritable, with what to set."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL | READ_ONLY:
            raise
        folder = cache_folder(environ)
        where = f" ({name})" if (name := error.filename) and Path(name) != folder else ""
        if error.errno in FULL:
            what = f"there is no room left for the programs in {folder}{where}"
            wish = "Make some, or choose another folder"
        else:
            what = f"the cache folder {folder} cannot be written to{where}: {error.strerror}"
            wish = "Choose one that can"
        raise Unwritable(f"{what}. {wish}: CAPSCAN_CACHE=/path/to/folder") from error


@contextmanager
def exclusive(path: Path, console: Console, what: str) -> Iterator[None]:
    """Hold the lock file at `path`, waiting for whoever holds it and saying so.

    The kernel drops the lock when its holder dies, however it dies: there are no stale locks.
    `what` completes the sentence "waiting for another capscan (pid 7) that ...".
    """
    with _locked(path, console, what) as file:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _locked(path: Path, console: Console, what: str) -> TextIO:
    began = time.monotonic()
    announced = False
    while True:
        if file := _try_lock(path):
            console.clear()
            return file
        line = f"waiting for another capscan{_holder(path)} that {what}"
        if not announced:
            console.say(line)
            announced = True
        console.waiting(f"{line}: {elapsed(began)}")
        time.sleep(LOCK_POLL_S)


def _try_lock(path: Path) -> TextIO | None:
    make_folder(path.parent)
    file = _open_lock(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    if os.fstat(file.fileno()).st_nlink:
        return file
    file.close()  # its last holder removed it (`down` does): a new one must be made and locked
    return None


def _open_lock(path: Path, flags: int) -> TextIO:
    """Open the lock file itself, never what it leads to: it is emptied and written to.

    Raises Untrusted where somebody put something else there.
    """
    try:
        # Without O_NONBLOCK a pipe would hold its reader for ever.
        number = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _planted(path, "is a symbolic link") from None
        raise
    found = os.fstat(number)
    why = objection_to(found)
    if not stat.S_ISREG(found.st_mode):
        why = "is no file"
    elif found.st_nlink > 1:
        why = "has another name too"
    if why:
        os.close(number)
        raise _planted(path, why)
    return os.fdopen(number, "r" if flags == os.O_RDONLY else "a+", encoding="utf-8")


def _planted(path: Path, why: str) -> Untrusted:
    return Untrusted(
        f"the lock file {path} {why}, and was not made by capscan. Remove it: rm {path}"
    )


def _holder(path: Path) -> str:
    try:
        with _open_lock(path, os.O_RDONLY) as file:
            pid = file.read(PID_BYTES_MAX).strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return f" (pid {pid})" if pid.isdecimal() else ""
