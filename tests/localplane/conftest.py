"""Fakes of the programs around the control plane: small shell scripts, run for real."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capscan.localplane.console import Console
from capscan.localplane.plane import Plane

Script = Callable[[Path, str], Path]


@pytest.fixture
def script() -> Script:
    """Return a function that writes an executable shell script."""

    def write(path: Path, body: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def said() -> io.StringIO:
    """Return the stream that holds what the console said so far."""
    return io.StringIO()


@pytest.fixture
def console(said: io.StringIO) -> Console:
    return Console(said)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment with the basic tools, an empty cache, and no program of a control
    plane.

    It wants no archive either: what the archive does is tested with a server on loopback.
    """
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cat", "sleep", "uname"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    own = {"PATH": str(tools), "CAPSCAN_CACHE": str(tmp_path / "the cache"), "HOME": str(tmp_path)}
    return measured | own | {"CAPSCAN_ARCHIVE_URL": ""}


@pytest.fixture
def own_plane(tmp_path: Path, console: Console) -> Iterator[Plane]:
    """Return a plane of this test alone, not up yet, in a folder whose name needs quoting."""
    plane = Plane(tmp_path / "my plane's data", console)
    try:
        yield plane
    finally:
        plane.down()
