"""Whether files are ours alone to change. What others may write is neither executed nor trusted.

Root's files count as ours: root could change everything anyway. So do files that the user's own
group may write, where nobody else is in it, which is what a umask of 002 makes.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

OTHERS, GROUP = 0o002, 0o020


def objection(path: Path) -> str:
    """Return why others may change what is at `path`, as the end of a sentence; empty if they may
    not. Raises OSError.
    """
    return objection_to(path.stat())


def objection_to(found: os.stat_result) -> str:
    """Return the same for what `stat` said of it."""
    if found.st_uid not in (0, os.geteuid()):
        return f"belongs to another user ({_user(found.st_uid)})"
    mode = stat.S_IMODE(found.st_mode)
    if mode & OTHERS or (mode & GROUP and not _is_of_one(found.st_gid)):
        return f"may be written by others (mode {mode:o})"
    return ""


def make_folder(path: Path) -> None:
    """Make the folder and those above it, which others may not write, whatever the umask is."""
    for one in (*reversed(path.parents), path):
        if not one.exists():
            one.mkdir(mode=0o755, exist_ok=True)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"


def _is_of_one(gid: int) -> bool:
    """Return whether this is the private group that many systems give to each user."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return (
        gid == user.pw_gid
        and group.gr_name == user.pw_name
        and not set(group.gr_mem) - {user.pw_name}
    )
