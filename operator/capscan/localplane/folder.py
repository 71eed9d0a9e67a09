"""A control plane's data folder: what lies where, and how one tells it from somebody else's.

The marker `.capscan-plane` is made first and removed last; only a folder that has it is ever
written to or removed. It is also the lock that keeps two commands apart.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import yaml

from capscan.localplane.cache import exclusive
from capscan.localplane.console import Console
from capscan.localplane.errors import ForeignFolder, Unwritable
from capscan.localplane.ownership import objection
from capscan.localplane.processes import Process

MARKER = ".capscan-plane"
SOCKET_BYTES_MAX = 100
"""The kernel takes 107 (Linux) or 103 (macOS) for the path of a socket."""
PLAIN = re.compile(r"[A-Za-z0-9/._-]+")
"""What means itself in a URL, and in a list of URLs."""


@dataclass(frozen=True)
class Launched:
    """A server as it was last started. It may have died since."""

    program: str
    port: int
    """0 for a server that listens on a socket in the folder, and on no port."""
    process: Process


@dataclass(frozen=True)
class State:
    """What must be remembered from one command to the next."""

    token: str
    """Of the administrator. It stays the same as long as the data does."""
    kubectl: str
    servers: dict[str, Launched] = field(default_factory=dict)

    def having(self, name: str, launched: Launched) -> State:
        """Return the same state with one server started, or started again."""
        return replace(self, servers=self.servers | {name: launched})


class PlaneFolder:
    """Knows the paths, the state file and the lock; it starts no servers."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.certificates = self.path / "certificates"
        self.etcd_data = self.path / "etcd"
        self.kubeconfig = self.path / "kubeconfig"
        self.tokens = self.path / "tokens.csv"
        self.socket = self._place_of_sockets() / "etcd.sock"
        self.peer_socket = self.socket.with_name("peer.sock")
        self._marker = self.path / MARKER
        self._state = self.path / "state.json"

    def log(self, name: str) -> Path:
        """Return the file that the server `name` writes its output to."""
        return self.path / f"{name}.log"

    def is_ours(self) -> bool:
        """Return whether `claim` made this folder what it is.

        Raises ForeignFolder where others may have changed what is in it: it says which programs run
        and what they are asked with.
        """
        if not os.access(self._marker, os.F_OK):
            return False
        for one in (self.path, self._marker):
            if why := objection(one):
                raise ForeignFolder(
                    f"{one} {why}, so it is no plane of yours alone. Choose another folder: --dir "
                    f"FOLDER; or, if all that is in it is yours: chmod -R go-w {self.path}"
                )
        return self._marker.is_file()

    def claim(self) -> None:
        """Make the folder, or take an empty one; nobody else may look into it from then on.

        Raises ForeignFolder, Unwritable.
        """
        try:
            if not self.is_ours() and self.path.exists() and not self._is_empty():
                raise ForeignFolder(
                    f"{self.path} is not empty and was not made by `capscan local up`, so it is "
                    "left alone. Choose a folder that does not exist yet: capscan local up --dir "
                    "FOLDER"
                )
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._close()
            self._marker.touch(mode=0o600)
        except OSError as error:
            raise Unwritable(
                f"{self.path} cannot be written to ({error.strerror}). Choose another folder: "
                "--dir FOLDER"
            ) from error

    def _is_empty(self) -> bool:
        return self.path.is_dir() and not any(self.path.iterdir())

    def _close(self) -> None:
        """Let nobody else in: what connects to the socket needs no password.

        Raises ForeignFolder, OSError.
        """
        for folder in {self.path, self.socket.parent}:
            folder.mkdir(exist_ok=True, mode=0o700)
            # The user may have put a link in place of the plane's own folder, nobody in /tmp.
            found = folder.stat() if folder == self.path else folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                raise ForeignFolder(
                    f"{folder} belongs to another user or is no folder. Choose another folder for "
                    "the plane: --dir FOLDER"
                )
            folder.chmod(0o700)

    def _place_of_sockets(self) -> Path:
        """Return the plane's own folder or, if that has too long or too odd a name for the path of
        a socket in a URL, one that stands for it.
        """
        text = str(self.path)
        if PLAIN.fullmatch(text) and len(text) + len("/peer.sock") <= SOCKET_BYTES_MAX:
            return self.path
        # However the folder is named, or by which link.
        digest = hashlib.sha256(os.fsencode(os.path.realpath(text))).hexdigest()[:16]
        return Path("/tmp", f"capscan-{os.geteuid()}-{digest}")  # noqa: S108 (made private)

    @contextlib.contextmanager
    def lock(self, console: Console) -> Iterator[None]:
        """Let one command at a time work in this folder."""
        with exclusive(self._marker, console, f"works in {self.path}"):
            yield

    def read(self) -> State | None:
        """Return the state, or None where there is none that can be read."""
        try:
            stored = json.loads(self._state.read_text(encoding="utf-8"))
            servers = {
                name: Launched(one["program"], one["port"], Process(**one["process"]))
                for name, one in stored["servers"].items()
            }
            return State(stored["token"], stored["kubectl"], servers)
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, state: State) -> None:
        """Write the state whole or not at all: a `kill -9` in the middle leaves the old one."""
        self._write_private(self._state, json.dumps(asdict(state), indent=2))

    def begin(self, kubectl: str) -> State:
        """Throw away what a half-made folder holds, and start with an administrator's token."""
        self._clear()
        token = secrets.token_urlsafe(32)
        self._write_private(self.tokens, f'{token},admin,admin,"system:masters"\n')
        state = State(token, kubectl)
        self.write(state)
        return state

    def write_kubeconfig(self, server: str, token: str) -> None:
        """Write the administrator's kubeconfig. The API server signed its own certificate, so the
        kubeconfig trusts just that one.
        """
        authority = base64.b64encode((self.certificates / "apiserver.crt").read_bytes()).decode()
        name = "capscan-local"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": name,
                    "cluster": {"server": server, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}}],
            "current-context": name,
        }
        self._write_private(self.kubeconfig, yaml.safe_dump(config, sort_keys=False))

    def remove(self) -> None:
        """Remove the folder with all that is in it. The marker goes last, so that a half-removed
        folder is still ours.
        """
        self._clear()
        if self.socket.parent != self.path:
            shutil.rmtree(self.socket.parent, ignore_errors=True)
        self._marker.unlink()
        with contextlib.suppress(OSError):  # somebody put a file there just now: it is theirs
            self.path.rmdir()

    def _clear(self) -> None:
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != MARKER:
                entry.unlink()

    @staticmethod
    def _write_private(path: Path, text: str) -> None:
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
            file.write(text)
        fresh.replace(path)
