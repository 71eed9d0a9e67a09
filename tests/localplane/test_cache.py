"""A cache that cannot be written to, as its users meet it: what is said, and what still works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import capscan
from capscan.localplane.cache import cache_folder
from capscan.localplane.console import Console
from capscan.localplane.errors import NoPrograms, Unwritable
from capscan.localplane.programs import API_SERVER, ETCD, KUBECTL, find_programs, programs_folder
from tests.localplane.conftest import Script
from tests.localplane.mirror import Mirror, serving

Attempt = Callable[[str], str]

PACKAGE = Path(capscan.__file__).parent
NOBODY = 65534
AS_NOBODY = f"""
import os
from pathlib import Path
from capscan.localplane.console import Console
from capscan.localplane.crd_modules import crd_files, crd_modules
from capscan.localplane.errors import PlaneError
from capscan.localplane.folder import PlaneFolder
from capscan.localplane.programs import find_programs, look_for
if os.geteuid() == 0:
    os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
def attempt(call):
    try:
        print(call())
    except PlaneError as error:
        print(type(error).__name__, error, sep=": ")
"""
FIND = """
import resource, sys
from capscan.localplane.console import Console
from capscan.localplane.errors import PlaneError
from capscan.localplane.programs import find_programs
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    find_programs(["etcd"], Console())
except PlaneError as error:
    sys.exit(str(error))
"""


@contextmanager
def open_to_all() -> Iterator[Path]:
    """Make a folder that every user may look into: pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a folder that every user may look into."""
    with open_to_all() as folder:
        yield folder


@pytest.fixture(scope="module")
def readable() -> Iterator[Path]:
    """Return a copy of the package that all users can read: the clone may be in a closed folder."""
    with open_to_all() as folder:
        shutil.copytree(PACKAGE, folder / "capscan", ignore=shutil.ignore_patterns("__pycache__"))
        yield folder


@pytest.fixture
def attempt(readable: Path, environ: dict[str, str]) -> Attempt:
    """Return a function that says what comes of an expression, or which error. It runs in a process
    that is bound by the modes of folders: root becomes nobody in it.
    """

    def attempted(expression: str) -> str:
        bare = {k: v for k, v in environ.items() if not k.startswith("COVERAGE")}
        code = f"{AS_NOBODY}\nattempt(lambda: {expression})"
        return subprocess.run(
            [sys.executable, "-c", code],
            env=bare | {"PYTHONPATH": str(readable)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.rstrip()

    return attempted


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of one megabyte, where it may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_cache_is_said_with_what_to_set(
    shared: Path, attempt: Attempt, environ: dict[str, str]
) -> None:
    """The same is said for programs and for CRDs."""
    environ["CAPSCAN_CACHE"] = str(shared / "cache")
    shared.chmod(0o555)

    for said in (
        attempt('find_programs(["etcd"], Console())'),
        attempt('crd_files([crd_modules()["keda"]], Console())'),
    ):
        assert said.startswith(
            f"Unwritable: the cache folder {shared}/cache cannot be written to: Permission denied"
        )
        assert "Choose one that can: CAPSCAN_CACHE=/path/to/folder" in said


def test_a_cache_that_has_everything_may_be_read_only(
    shared: Path, script: Script, attempt: Attempt, environ: dict[str, str]
) -> None:
    """An image may carry the cache."""
    environ["CAPSCAN_CACHE"] = str(shared)
    program = script(programs_folder(environ) / ETCD, "exit")
    shared.chmod(0o555)

    assert attempt('find_programs(["etcd"], Console())') == str({ETCD: program})


def test_folders_on_path_that_may_not_be_looked_into_are_passed_over(
    shared: Path, script: Script, attempt: Attempt, environ: dict[str, str]
) -> None:
    """PATH is often another user's, after `su`; so is KUBEBUILDER_ASSETS."""
    closed = shared / "closed"
    script(closed / ETCD, "exit")
    environ |= {"PATH": str(closed), "KUBEBUILDER_ASSETS": str(closed)}
    closed.chmod(0)
    try:
        assert attempt('look_for(["etcd"], Console())') == "{}"
    finally:
        closed.chmod(0o755)


def test_a_file_in_place_of_the_cache_is_said(
    tmp_path: Path, console: Console, environ: dict[str, str]
) -> None:
    """CAPSCAN_CACHE may have a typing error."""
    (tmp_path / "file").touch()
    environ["CAPSCAN_CACHE"] = str(tmp_path / "file")

    with pytest.raises(Unwritable, match=r"file cannot be written to.*CAPSCAN_CACHE="):
        find_programs([ETCD], console, environ)


def test_a_full_disk_during_a_download_is_said(
    tiny_disk: Path, console: Console, environ: dict[str, str]
) -> None:
    """The message says the folder and what to set; nothing half-made takes the last room."""
    environ["CAPSCAN_CACHE"] = str(tiny_disk / "cache")
    with serving(Mirror(os.urandom(2**21), every_path=True)) as mirror:
        environ["CAPSCAN_ARCHIVE_URL"] = mirror.url
        with pytest.raises(Unwritable) as caught:
            find_programs([ETCD, API_SERVER, KUBECTL], console, environ)

    assert str(caught.value) == (
        f"there is no room left for the programs in {tiny_disk}/cache. "
        "Make some, or choose another folder: CAPSCAN_CACHE=/path/to/folder"
    )
    left = [path.name for path in (tiny_disk / "cache" / "programs").iterdir()]
    assert [name for name in left if not name.endswith(".lock")] == []


def test_a_limit_on_files_is_said_like_a_full_disk(environ: dict[str, str]) -> None:
    """`ulimit -f` leads to a message instead of a traceback."""
    with serving(Mirror(os.urandom(2**20), every_path=True)) as mirror:
        environ["CAPSCAN_ARCHIVE_URL"] = mirror.url
        bare = {k: v for k, v in environ.items() if not k.startswith("COVERAGE")}
        done = subprocess.run(
            [sys.executable, "-c", FIND], env=bare, capture_output=True, text=True, check=False
        )

    assert done.stderr.startswith("there is no room left for the programs in ")
    assert "Traceback" not in done.stderr


def test_a_full_disk_during_a_build_is_said(
    tmp_path: Path, script: Script, console: Console, environ: dict[str, str]
) -> None:
    """Go has folders of its own to fill."""
    full = "echo write /tmp/go-build1/b001: no space left on device; exit 1"
    script(tmp_path / "tools" / "go", f'[ "$1" = version ] && {{ echo go1.30; exit; }}\n{full}')

    with pytest.raises(NoPrograms, match=r"(?s)no space left.*CAPSCAN_CACHE.*GOCACHE, GOMODCACHE"):
        find_programs([ETCD], console, environ)


def test_a_data_folder_that_cannot_be_made_is_said(shared: Path, attempt: Attempt) -> None:
    """The checkout may belong to somebody else."""
    shared.chmod(0o555)

    said = attempt(f'PlaneFolder(Path("{shared}/plane")).claim()')

    assert re.match(r"Unwritable: .*Permission denied.*--dir FOLDER", said)


def test_every_user_has_a_cache_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies below their home folder: two users have nothing to fight for."""
    monkeypatch.setenv("HOME", "/home-of/one")
    one = cache_folder({})
    monkeypatch.setenv("HOME", "/home-of/another")

    assert one == Path("/home-of/one/.cache/capscan")
    assert cache_folder({}) == Path("/home-of/another/.cache/capscan")
