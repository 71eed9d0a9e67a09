"""Finds etcd, kube-apiserver, kubectl and, where wanted, kube-controller-manager.

`find_programs` asks a list of sources in order; each takes the names still missing and answers
with those it has. A program of the wrong version is passed over: an older kubectl on PATH is
common, and would be no test of what the project supports.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from capscan.localplane import sums
from capscan.localplane.archive import Archive, fetch, find_archive, target
from capscan.localplane.build import GO_FILES, build, kubernetes_version
from capscan.localplane.cache import cache_folder, check_entry, exclusive, writing
from capscan.localplane.console import Console
from capscan.localplane.golang import on_path

ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
KUBECTL = "kubectl"

KUBERNETES = (1, 36)
ETCD_AT_LEAST = (3, 6)
"""Older ones take no path of a socket."""
PROBE_TIMEOUT_S = 20
_VERSION = re.compile(r"(?<!\d)(\d++)\.(\d++)")

Source = Callable[[Sequence[str]], dict[str, Path]]


def find_programs(
    names: Sequence[str], console: Console, environ: Mapping[str, str] = os.environ
) -> dict[str, Path]:
    """Return a path for each of `names`. The first time this downloads or builds them, for minutes.

    A second process waits for the first. Raises NoPrograms, with the end of the build's log, and
    Unwritable.
    """
    there = {name: program for name, (program, _) in look_for(names, console, environ).items()}
    if there.keys() >= set(names):
        return there
    kept, archive = programs_folder(environ), find_archive(target(), environ)
    folders = cached_folders(archive, environ)
    sources: list[Source] = [
        partial(_from_cache, folders=folders, environ=environ),
        partial(fetch, archive=archive, folder=folders[-1], console=console),
        partial(build, folder=kept, console=console, environ=environ),
    ]
    lock = kept.with_name(f"{kept.name}.lock")
    with writing(environ), exclusive(lock, console, "prepares the control plane"):
        return there | _ask(sources, [name for name in names if name not in there])


def look_for(
    names: Sequence[str], console: Console, environ: Mapping[str, str] = os.environ
) -> dict[str, tuple[Path, str]]:
    """Return the programs among `names` that this machine has, each with its source; nothing is
    made.
    """
    folders = cached_folders(find_archive(target(), environ), environ)
    sources: dict[str, Source] = {
        "KUBEBUILDER_ASSETS": partial(_from_assets, environ=environ, console=console),
        "PATH": partial(_from_path, environ=environ),
        "the cache": partial(_from_cache, folders=folders, environ=environ),
    }
    found: dict[str, tuple[Path, str]] = {}
    for title, source in sources.items():
        if missing := [name for name in names if name not in found]:
            found |= {name: (path, title) for name, path in source(missing).items()}
    return found


def _ask(sources: Sequence[Source], names: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for source in sources:
        if missing := [name for name in names if name not in found]:
            found |= source(missing)
    return found


def cached_folders(
    archive: Archive | None, environ: Mapping[str, str] = os.environ
) -> tuple[Path, ...]:
    """Return where programs are kept: those that were built and, if there is an archive, those of
    the archive.
    """
    built = programs_folder(environ)
    return (built, built.with_name(archive.folder)) if archive else (built,)


def programs_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where built programs are kept: one folder for each set of pins and kind of machine."""
    pins = b"".join((GO_FILES / name).read_bytes() for name in ("go.mod", "go.sum"))
    return cache_folder(environ) / "programs" / folder_name(pins)


def folder_name(pins: bytes) -> str:
    """Return the name of the folder for what these pins build on this kind of machine."""
    return f"{kubernetes_version()}-{target()}-{hashlib.sha256(pins).hexdigest()[:12]}"


def _from_assets(
    names: Sequence[str], *, environ: Mapping[str, str], console: Console
) -> dict[str, Path]:
    """Look in KUBEBUILDER_ASSETS. Somebody set it on purpose, so a program there that does not fit
    is told.
    """
    if not (folder := environ.get("KUBEBUILDER_ASSETS")):
        return {}
    found = {}
    for name in names:
        path = Path(folder).absolute() / name
        if fits(name, path):
            found[name] = path
        elif os.access(path, os.F_OK):
            console.say(f"passing over {path}: {_requirement(name)} is needed")
    return found


def _from_path(names: Sequence[str], *, environ: Mapping[str, str]) -> dict[str, Path]:
    found = {}
    for name in names:
        if path := next((p for p in on_path(name, environ) if fits(name, p)), None):
            found[name] = path
    return found


def _from_cache(
    names: Sequence[str], *, folders: Sequence[Path], environ: Mapping[str, str]
) -> dict[str, Path]:
    """Look in the folders of the cache, whose names say the versions. The first folder wins.

    Raises Untrusted where others may have changed a program.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        here = [n for n in names if n not in found and os.access(folder / n, os.F_OK)]
        for name in here:
            check_entry(folder / name, environ)
        if here:
            sums.check(folder, here)
        found |= {name: folder / name for name in here}
    return found


def fits(name: str, program: Path) -> bool:
    """Return whether this program is there, runs, and is of a version that will do."""
    version = _version(name, program)
    return version >= ETCD_AT_LEAST if name == ETCD else version == KUBERNETES


def _requirement(name: str) -> str:
    minimum = ".".join(map(str, ETCD_AT_LEAST if name == ETCD else KUBERNETES))
    return f"{name} {minimum} or newer" if name == ETCD else f"{name} {minimum}"


def _version(name: str, program: Path) -> tuple[int, int]:
    question = ["version", "--client"] if name == KUBECTL else ["--version"]
    try:
        answer = subprocess.run(
            [program, *question], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    match = _VERSION.search(answer.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)
