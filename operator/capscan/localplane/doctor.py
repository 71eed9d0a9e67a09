"""What a demo needs, what of it this machine has, and what to do about the rest.

It looks and asks; it downloads, builds and writes nothing. The standard library is enough for it,
so that `make doctor` works in a fresh clone: `python -m capscan.localplane.doctor`. The command
`capscan doctor` prints the same.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from capscan import exits
from capscan.localplane.archive import PROGRAMS, find_archive, shown, target
from capscan.localplane.cache import cache_folder
from capscan.localplane.console import Console
from capscan.localplane.crd_modules import crd_modules, missing_crds
from capscan.localplane.errors import Unwritable
from capscan.localplane.golang import GO_AT_LEAST, go_version, pinned_go, present_go
from capscan.localplane.programs import API_SERVER, CONTROLLER_MANAGER, ETCD, KUBECTL, look_for
from capscan.localplane.reach import module_proxy, package_index, unreachable

OK, LATER, NOTE, MISSING = "ok", "later", "note", "MISSING"
PYTHON_AT_LEAST = (3, 11)
GB = 10**9
ROOM_GB = {"build": 6.0, "download": 0.5, "": 0.1}
SET_UP_MIN, BUILD_MIN = 1, 10
BUILD = f"all together about {BUILD_MIN} minutes on two cores, once"


@dataclass(frozen=True)
class Finding:
    """One line of the table. Only what is MISSING stands in the way of a demo."""

    state: str
    what: str
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Machine:
    """What was seen before anything is judged. Only this looks at programs and the network."""

    environ: Mapping[str, str]
    checkout: Path | None
    programs: Mapping[str, tuple[Path, str]]
    crds_missing: Sequence[str]
    go: Path | None
    urls: Mapping[str, str]
    """By "archive", "modules" and "packages", the servers that a demo would need now."""
    unreachable: Mapping[str, str]
    """By the same names, why there is no way to them."""

    @property
    def set_up(self) -> bool:
        """Whether `make` has nothing to install."""
        if self.checkout is None:
            return True
        stamp = self.checkout / ".venv" / ".installed"
        sources = (self.checkout / "requirements" / "dev.txt", self.checkout / "pyproject.toml")
        return stamp.exists() and all(
            source.stat().st_mtime <= stamp.stat().st_mtime for source in sources
        )

    @property
    def downloads(self) -> bool:
        """Whether the archive would bring what is missing."""
        return "archive" in self.urls and "archive" not in self.unreachable

    @property
    def builds(self) -> bool:
        """Whether a demo would begin with a build."""
        return any(name not in self.programs for name in PROGRAMS) and not self.downloads


def look(environ: Mapping[str, str] = os.environ) -> Machine:
    """See what is there, and ask only the servers that would be needed."""
    checkout = Path(__file__).parents[3]
    programs: dict[str, tuple[Path, str]] = {}
    crds, go = list(crd_modules()), None
    with suppress(Unwritable):  # what is in the way is a finding of its own
        programs = look_for([ETCD, API_SERVER, KUBECTL, CONTROLLER_MANAGER], Console(), environ)
        crds, go = missing_crds(environ), present_go(environ)
    machine = Machine(
        environ=environ,
        checkout=checkout if (checkout / "Makefile").exists() else None,
        programs=programs,
        crds_missing=crds,
        go=go,
        urls={},
        unreachable={},
    )
    urls = dict(_needed(machine))
    return replace(machine, urls=urls, unreachable=unreachable(urls))


def examine(machine: Machine) -> list[Finding]:
    """Return the whole table."""
    return [
        _python(),
        *_checkout(machine),
        _tool("make", machine, "only `capscan` itself can be used, not the Makefile"),
        _tool("git", machine, "Go needs it for modules that no proxy has"),
        _go(machine),
        *(_program(name, machine) for name in (ETCD, API_SERVER, KUBECTL, CONTROLLER_MANAGER)),
        _crds(machine),
        *_servers(machine),
        _cache(machine),
        _loopback(),
    ]


def report(findings: Sequence[Finding], machine: Machine) -> str:
    """Return the table, what to do, and the verdict, as text."""
    rows = [("STATE", "WHAT", "FOUND"), *((one.state, one.what, one.found) for one in findings)]
    width = max(len(what) for _, what, _ in rows)
    lines = [f"{state:<7}  {what:<{width}}  {found}".rstrip() for state, what, found in rows]
    remedies: dict[str, list[str]] = {}
    for one in findings:
        if one.state == MISSING:
            remedies.setdefault(one.remedy, []).append(one.what)
    if remedies:
        todo = [f"  {', '.join(names)}: {remedy}" for remedy, names in remedies.items()]
        return "\n".join([*lines, "", "To do:", *todo, "", "A demo does not work here yet."])
    minutes = SET_UP_MIN * (not machine.set_up) + BUILD_MIN * machine.builds
    first = f" The first one takes about {minutes} min longer than later ones." if minutes else ""
    return "\n".join([*lines, "", f"A demo works here.{first}"])


def exit_code(findings: Iterable[Finding]) -> int:
    """Return DONE if a demo would work, otherwise CANNOT."""
    return exits.CANNOT if any(one.state == MISSING for one in findings) else exits.DONE


def _needed(machine: Machine) -> Iterator[tuple[str, str]]:
    archive = find_archive(target(), machine.environ)
    lacking = [name for name in PROGRAMS if name not in machine.programs]
    modules = bool(lacking or machine.crds_missing)
    if lacking and archive:
        yield "archive", archive.url
    if modules and (proxy := module_proxy(machine.go, machine.environ)):
        yield "modules", proxy
    go_to_come = modules and not machine.go
    if (go_to_come or not machine.set_up) and (index := package_index(machine.environ)):
        yield "packages", index


def _python() -> Finding:
    found = f"{platform.python_version()}, {sys.executable}"
    lacks = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if sys.version_info < PYTHON_AT_LEAST:
        return Finding(MISSING, "Python", found, "install Python 3.11 or newer")
    if lacks:
        remedy = "Debian, Ubuntu: sudo apt-get install python3-venv"
        return Finding(MISSING, "Python", f"{found}, without {' and '.join(lacks)}", remedy)
    return Finding(OK, "Python", f"{found}, with venv")


def _checkout(machine: Machine) -> Iterator[Finding]:
    if machine.checkout is None:
        return
    python = machine.checkout / ".venv" / "bin" / "python"
    if machine.set_up and not os.access(python, os.X_OK):
        remedy = "make clean; then any target sets it up anew"
        yield Finding(MISSING, ".venv", "the Python that it was made with is gone", remedy)
    elif machine.set_up:
        yield Finding(OK, ".venv", "up to date")
    elif "packages" in machine.unreachable:
        remedy = f"make the package index reachable ({machine.unreachable['packages']})"
        yield Finding(MISSING, ".venv", "not set up, and no way to the package index", remedy)
    else:
        yield Finding(LATER, ".venv", "make sets it up, about a minute")
    if not os.access(machine.checkout, os.W_OK | os.X_OK):
        remedy = f"clone into a folder of your own: {machine.checkout} is not yours to write to"
        yield Finding(MISSING, "checkout", "read-only", remedy)


def _tool(name: str, machine: Machine, without: str) -> Finding:
    path = shutil.which(name, path=machine.environ.get("PATH", ""))
    return Finding(OK, name, path) if path else Finding(NOTE, name, f"not on PATH: {without}")


def _go(machine: Machine) -> Finding:
    wanted = ".".join(map(str, GO_AT_LEAST))
    if machine.go:
        version = ".".join(map(str, go_version(machine.go, machine.environ)))
        return Finding(OK, "Go", f"{version}, {machine.go}")
    pinned = pinned_go()
    if not (machine.builds or machine.crds_missing):
        return Finding(OK, "Go", f"no {wanted} on PATH; not needed, nothing is to be built")
    if "packages" in machine.unreachable:
        remedy = f"install Go {wanted} or newer, or make the package index reachable"
        return Finding(MISSING, "Go", f"no {wanted} on PATH, and no way to {pinned}", remedy)
    return Finding(LATER, "Go", f"no {wanted} on PATH: {pinned} would come from PyPI")


def _program(name: str, machine: Machine) -> Finding:
    if name in machine.programs:
        path, source = machine.programs[name]
        return Finding(OK, name, f"{path} (from {source})")
    if name == CONTROLLER_MANAGER:
        return Finding(NOTE, name, "not needed by a demo; tests and `local up --gc` build it")
    if machine.downloads:
        return Finding(LATER, name, "would be downloaded in the official archive")
    if "modules" in machine.unreachable:
        remedy = (
            "make the archive (CAPSCAN_ARCHIVE_URL) or Go modules (GOPROXY) reachable, or let "
            "KUBEBUILDER_ASSETS name a folder that has it"
        )
        return Finding(MISSING, name, "no way to the archive or to Go modules", remedy)
    return Finding(LATER, name, f"would be built from source, {BUILD}")


def _crds(machine: Machine) -> Finding:
    if not machine.crds_missing:
        return Finding(OK, "CRDs to show", "in the cache")
    of = f"those of {len(machine.crds_missing)} projects"
    if "modules" in machine.unreachable:
        remedy = "make Go modules (GOPROXY) reachable"
        return Finding(MISSING, "CRDs to show", f"no way to {of}", remedy)
    return Finding(LATER, "CRDs to show", f"{of} would be fetched as Go modules, seconds each")


def _servers(machine: Machine) -> Iterator[Finding]:
    """Tell which servers answer. That is a hint only: what needs a server says whether it is
    missed.
    """
    titles = {"archive": "way: archive", "modules": "way: Go modules", "packages": "way: PyPI"}
    for name, url in machine.urls.items():
        why = machine.unreachable.get(name)
        state, answer = (NOTE, f"no way ({why})") if why else (OK, "answers")
        yield Finding(state, titles[name], f"{urlsplit(shown(url)).netloc}: {answer}")


def _cache(machine: Machine) -> Finding:
    try:
        folder = cache_folder(machine.environ)
    except Unwritable as error:
        return Finding(MISSING, "cache folder", "none", str(error))
    there = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
    free_gb = shutil.disk_usage(there).free / GB
    found = f"{folder}, {free_gb:.1f} GB free"
    elsewhere = "set CAPSCAN_CACHE to a folder"
    complete = len(machine.programs.keys() & set(PROGRAMS)) == len(PROGRAMS)
    complete = complete and not machine.crds_missing
    if not complete and not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        remedy = f"{elsewhere} that can be written to"
        return Finding(MISSING, "cache folder", f"{found}, cannot be written to", remedy)
    work = "build" if machine.builds else "" if complete else "download"
    if free_gb < ROOM_GB[work]:
        remedy = f"make room for {ROOM_GB[work]:g} GB, or {elsewhere} with as much"
        return Finding(MISSING, "cache folder", found, remedy)
    return Finding(OK, "cache folder", found)


def _loopback() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=1).close()
    except OSError as error:
        remedy = "allow this user to listen on 127.0.0.1 (a sandbox or firewall forbids it)"
        return Finding(MISSING, "loopback", f"{error.strerror or error}", remedy)
    return Finding(OK, "loopback", "127.0.0.1 can be listened on")


def main() -> int:
    """Print the report; return the exit code."""
    machine = look()
    findings = examine(machine)
    print(report(findings, machine))  # noqa: T201 (a program of its own)
    return exit_code(findings)


if __name__ == "__main__":
    sys.exit(main())
