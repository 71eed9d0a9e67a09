"""What can go wrong with the local control plane.

PlaneError
├── ForeignFolder     the folder holds somebody else's files: choose another one
├── PlaneDown         this needs a control plane that is up
├── NoPrograms        etcd, kube-apiserver or kubectl could be neither found nor built
├── BadArchive        the archive with them cannot be had, or is not the one that was pinned
├── Unwritable        the disk is full, or the folder read-only: names it, and what to set
│   └── Untrusted     others may have changed what is there: nothing of it is executed
├── ServerFailed      a program did not start, or did not become ready in time
│   └── PortTaken     ... because something else listens on its port: another port will do
└── BadModule         a Go module with CRDs could not be fetched, or is not the one that was pinned

Messages name the log and show its end, because the reason is always in there.
"""

from __future__ import annotations

from pathlib import Path

from capscan.core.errors import CapscanError

TAIL_LINES = 15
TAIL_BYTES = 16 * 1024
FULL = (
    "A disk is full. A build writes gigabytes: to the cache folder (CAPSCAN_CACHE), to Go's own "
    "caches (GOCACHE, GOMODCACHE), and for a while to TMPDIR. Each can be set to another folder."
)


class PlaneError(CapscanError):
    """The local control plane cannot do what was asked."""


class ForeignFolder(PlaneError):
    """The data folder is not empty and was not made by `capscan local up`."""


class PlaneDown(PlaneError):
    """There is no running control plane in this folder."""


class NoPrograms(PlaneError):
    """The programs are not on this machine and could not be built."""


class BadArchive(PlaneError):
    """The archive of programs is out of reach, cut, or differs from its pinned sum."""


class Unwritable(PlaneError):
    """The file system does not take what must be written."""


class Untrusted(Unwritable):
    """Others may write what would be executed, or have done so."""


class ServerFailed(PlaneError):
    """A program exited, or was not ready within its time."""


class PortTaken(ServerFailed):
    """The port was free a moment ago and is not any more."""


class BadModule(PlaneError):
    """A CRD module is unavailable or differs from its pinned sum."""


def tail(log: Path, since: int = 0) -> str:
    """Return the last lines of a log, from the byte `since` on, indented as part of a message."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(since, size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:]) or "  (nothing)"


def ending(log: Path) -> str:
    """Return the end of a build's log as it stands in a message, and what to do where the disk is
    full.
    """
    last = tail(log)
    hint = f"\n{FULL}" if "no space left on device" in last.lower() else ""
    return f"The end of {log}:\n{last}{hint}"
