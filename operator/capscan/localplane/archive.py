"""etcd, kube-apiserver and kubectl from the official archive: seconds instead of a build.

A source of `programs.py`. What is pinned stands in `archive.toml`. Nothing is unpacked before its
SHA-512 is known to be right, and whatever goes wrong is said and leaves the build from source to do
the work, so that a machine without a way to the archive loses no more than a moment.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import platform
import queue
import shutil
import tarfile
import threading
import time
import tomllib
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from capscan.localplane import sums
from capscan.localplane.console import Console, elapsed
from capscan.localplane.errors import BadArchive
from capscan.localplane.ownership import make_folder

PINS = Path(__file__).with_name("archive.toml")
PROGRAMS = ("etcd", "kube-apiserver", "kubectl")
"""What is in it. The controller manager is not."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CHUNK_BYTES = 256 * 1024
BYTES_MAX = 1024**3
"""The real one has less than a tenth of it; a server that never stops must not fill the disk."""
MEMBERS_MAX = 1000
NONSENSE = (
    tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError,
    ValueError, OverflowError, RecursionError, MemoryError,
)  # fmt: skip
"""What tarfile raises of an archive that is none: of headers in particular nearly everything."""
MB = 1_000_000


@dataclass(frozen=True)
class Patience:
    """How long a server may take to begin its answer, redirects included, and between two bytes."""

    open_s: float = 6.0
    stall_s: float = 20.0


@dataclass(frozen=True)
class Archive:
    """One archive: where it lies, and the only content that will do."""

    url: str
    sha512: str
    folder: str
    """The name of its folder in the cache: other content, another folder."""


def target(system: str | None = None, machine: str | None = None) -> str:
    """Return a kind of machine in Go's words, as `linux-amd64`; by default this machine's."""
    machine = (machine or platform.machine()).lower()
    return f"{(system or platform.system()).lower()}-{ARCHITECTURES.get(machine, machine)}"


def find_archive(
    target: str, environ: Mapping[str, str] = os.environ, pins: Path = PINS
) -> Archive | None:
    """Return the archive for this kind of machine, or None where there is none.

    `CAPSCAN_ARCHIVE_URL` names a folder on a mirror; if it is empty, no archive is wanted.
    """
    table = tomllib.loads(pins.read_text(encoding="utf-8"))
    base = environ.get("CAPSCAN_ARCHIVE_URL", table["url"]).rstrip("/")
    sha512 = table["sha512"].get(target)
    if not base or not sha512:
        return None
    name = f"envtest-{table['version']}-{target}"
    return Archive(f"{base}/{name}.tar.gz", sha512, f"{name}-{sha512[:12]}")


def fetch(
    names: Sequence[str], archive: Archive | None, *, folder: Path, console: Console,
    patience: Patience = Patience(),
) -> dict[str, Path]:  # fmt: skip
    """Return the programs among `names` that the archive has, in `folder`. The archive is
    downloaded if the folder is not there yet.

    The caller holds the lock on `folder`. If the archive cannot be had, the reason is logged and
    nothing is returned.
    """
    wanted = [name for name in names if name in PROGRAMS]
    if archive is None or not wanted:
        return {}
    if not folder.exists():
        try:
            _bring(archive, folder, console, patience)
        except BadArchive as error:
            console.say(f"{error}: building from source instead")
            return {}
    return {name: folder / name for name in wanted}


def open_url(url: str, patience: Patience, method: str = "GET") -> http.client.HTTPResponse:
    """Begin an answer, through the environment's proxies. Raises OSError or HTTPException.

    It asks in a thread, because a resolver without a network may hold its caller for half a minute,
    and each address of a host is tried for the whole of a socket's timeout.
    """
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    given_up = threading.Event()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method=method)  # noqa: S310 (any scheme will do)
            answer = urllib.request.urlopen(request, timeout=patience.stall_s)  # noqa: S310
        except ValueError as error:
            answers.put(urllib.error.URLError(str(error)))
        except urllib.error.HTTPError as error:
            error.close()  # its text is for browsers
            answers.put(error)
        except (OSError, http.client.HTTPException) as error:
            answers.put(error)
        else:
            answers.put(answer)
            if given_up.is_set():
                answer.close()

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=patience.open_s)
    except queue.Empty:
        given_up.set()
        raise TimeoutError(f"no answer within {patience.open_s:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    result: http.client.HTTPResponse = answer
    return result


def reason(error: Exception) -> str:
    """Return what went wrong on the way, without urllib's wrapping."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return (cause.strerror if isinstance(cause, OSError) else None) or str(cause) or repr(cause)


def shown(url: str) -> str:
    """Return an address without what may be secret in it: user, password, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _bring(archive: Archive, folder: Path, console: Console, patience: Patience) -> None:
    """Download, check and unpack the archive. The folder appears whole or not at all."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
    make_folder(partial.parent)
    partial.mkdir(mode=0o755)
    try:
        packed, programs = partial / "archive.tar.gz", partial / "programs"
        began = time.monotonic()
        size, sha512 = _download(archive.url, packed, console, patience)
        if sha512 != archive.sha512:
            raise BadArchive(
                f"{shown(archive.url)} is refused, and nothing of it was used: its SHA-512 is\n"
                f"  {sha512}, and must be\n  {archive.sha512} ({PINS.name})\n"
                "Somebody changed it on the way"
            )
        _unpack(packed, programs, archive.url)
        sums.record(programs, PROGRAMS)
        programs.rename(folder)
        console.say(f"downloaded {', '.join(PROGRAMS)}: {size // MB} MB in {elapsed(began)}")
    finally:
        console.clear()
        shutil.rmtree(partial, ignore_errors=True)


def _download(url: str, path: Path, console: Console, patience: Patience) -> tuple[int, str]:
    """Return size and SHA-512 of what came. Raises BadArchive if it did not come to its end."""
    console.waiting(f"asking for {shown(url)}")
    began = time.monotonic()
    try:
        answer = open_url(url, patience)
    except (OSError, http.client.HTTPException) as error:
        raise BadArchive(f"{shown(url)} cannot be had ({reason(error)})") from None
    digest, size = hashlib.sha512(), 0
    told = answer.headers.get("Content-Length") or ""
    length = int(told) if told.isdecimal() else 0
    of = f" of {length // MB}" if length else ""
    with closing(answer), path.open("wb") as file:
        while chunk := _read(answer, url):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            if size > BYTES_MAX:
                raise BadArchive(f"{shown(url)} is refused: it has more than {BYTES_MAX} bytes")
            console.waiting(f"downloading {Path(url).name}: {size // MB}{of} MB, {elapsed(began)}")
    if size < length:
        raise BadArchive(f"{shown(url)} was cut: {size} of {length} bytes came")
    return size, digest.hexdigest()


def _read(answer: http.client.HTTPResponse, url: str) -> bytes:
    try:
        return answer.read(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise BadArchive(f"{shown(url)} was cut ({reason(error)})") from None


def _unpack(packed: Path, folder: Path, url: str) -> None:
    """Unpack the programs and nothing else, under names of our own.

    Raises BadArchive if a program is missing, or if a member would lie outside the folder.
    """
    folder.mkdir(mode=0o755)
    try:
        with tarfile.open(packed, "r:gz") as archive:
            for number, member in enumerate(archive):
                if number == MEMBERS_MAX:
                    raise BadArchive(f"{shown(url)} is refused: it holds more than {number} files")
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise BadArchive(f"{shown(url)} is refused: it wants to write {member.name}")
                if (
                    path.name in PROGRAMS
                    and member.isfile()
                    and (data := archive.extractfile(member))
                ):
                    if member.size > BYTES_MAX:
                        raise BadArchive(f"{shown(url)} is refused: {path.name} has no end")
                    _write_program(data, folder / path.name)  # type: ignore[arg-type]
    except NONSENSE as error:
        raise BadArchive(f"{shown(url)} cannot be unpacked ({error})") from None
    if missing := [name for name in PROGRAMS if not (folder / name).exists()]:
        raise BadArchive(f"{shown(url)} is refused: it lacks {', '.join(missing)}")


def _write_program(data: BinaryIO, path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(data, file)
    path.chmod(0o755)
