"""What other users of the machine can do with a plane and with the cache: nothing."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from capscan.localplane import sums
from capscan.localplane.cache import cache_folder, exclusive
from capscan.localplane.console import Console
from capscan.localplane.errors import ForeignFolder, Untrusted
from capscan.localplane.folder import SOCKET_BYTES_MAX, PlaneFolder
from capscan.localplane.ownership import objection
from capscan.localplane.plane import Plane
from capscan.localplane.programs import API_SERVER, ETCD, find_programs, programs_folder
from tests.localplane.conftest import Script
from tests.localplane.stand_ins import folder_of

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


def listening(pid: int) -> set[int]:
    """Return the TCP ports that a process listens on, as the kernel tells."""
    found = (str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir())
    inodes = {match[1] for text in found if (match := re.fullmatch(r"socket:\[(\d+)\]", text))}
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and fields[3] == "0A":
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc")
def test_nobody_else_can_connect_to_the_etcd_of_a_plane(plane: Plane) -> None:
    """It has no password: whoever connects to it is cluster-admin."""
    etcd, api_server = plane.status()[:2]
    folder = PlaneFolder(plane.info().kubeconfig.parent)

    assert (etcd.name, etcd.port, listening(etcd.pid)) == (ETCD, 0, set())
    assert (api_server.name, listening(api_server.pid)) == (API_SERVER, {api_server.port})
    for one in (folder.path, folder.socket.parent):
        assert stat.S_IMODE(one.stat().st_mode) == 0o700
    with socket.socket(socket.AF_UNIX) as own:
        own.connect(str(folder.socket))
    if os.geteuid() == 0:
        connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        done = subprocess.run(
            ["/usr/bin/env", "python3", "-c", connect, str(folder.socket)],
            user=NOBODY, cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "PermissionError" in done.stderr


@pytest.mark.parametrize("name", ["plane", "my plane", "50%25", "a,b", "x" * SOCKET_BYTES_MAX])
def test_a_plane_has_a_place_for_its_socket_whatever_its_name_is(tmp_path: Path, name: str) -> None:
    """Two planes never share one, and `down` removes it."""
    folder, other = PlaneFolder(tmp_path / name), PlaneFolder(tmp_path / f"{name}2")
    folder.claim()

    assert len(str(folder.peer_socket)) <= SOCKET_BYTES_MAX
    assert re.fullmatch("[A-Za-z0-9/._-]+", str(folder.socket))
    assert folder.socket.parent != other.socket.parent
    assert stat.S_IMODE(folder.socket.parent.stat().st_mode) == 0o700
    folder.remove()
    assert not folder.socket.parent.exists()


def test_a_plane_is_the_same_by_every_name_of_its_folder(tmp_path: Path) -> None:
    """Somebody goes in by a link, and out by the folder's own name."""
    (tmp_path / "my plane").mkdir()
    (tmp_path / "a link").symlink_to(tmp_path / "my plane")
    folder, linked = PlaneFolder(tmp_path / "my plane"), PlaneFolder(tmp_path / "a link")

    assert folder.socket == linked.socket
    assert folder.socket == PlaneFolder(tmp_path / "x" / ".." / "my plane").socket


def test_an_empty_folder_that_others_may_look_into_is_closed(tmp_path: Path) -> None:
    folder = PlaneFolder(tmp_path / "plane")
    folder.path.mkdir(mode=0o755)
    folder.claim()

    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o707, 0o1777])
def test_a_plane_that_others_may_write_is_refused_by_every_command(
    tmp_path: Path, mode: int
) -> None:
    """Its state says which programs are run and which processes are ended."""
    folder = PlaneFolder(tmp_path / "plane")
    folder.claim()
    folder.path.chmod(mode)

    plane = Plane(folder.path)
    for command in (plane.up, plane.down, plane.status, plane.info):
        with pytest.raises(ForeignFolder, match=r"may be written by others .*chmod -R go-w"):
            command()
    folder.path.chmod(0o700)
    assert plane.down()


@as_root
def test_a_plane_of_another_user_is_refused(tmp_path: Path) -> None:
    folder = PlaneFolder(tmp_path / "plane")
    folder.claim()
    os.chown(folder.path, NOBODY, NOBODY)

    with pytest.raises(ForeignFolder, match=r"belongs to another user .*--dir FOLDER"):
        Plane(folder.path).up()


@as_root
def test_an_empty_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    folder = PlaneFolder(tmp_path / "plane")
    folder.path.mkdir()
    os.chown(folder.path, NOBODY, NOBODY)

    with pytest.raises(ForeignFolder, match="belongs to another user"):
        folder.claim()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path, console: Console) -> None:
    """Whoever plants one may not have a file of somebody else emptied."""
    victim, lock = tmp_path / "victim", tmp_path / "the.lock"
    victim.write_text("precious")
    lock.symlink_to(victim)
    with (
        pytest.raises(Untrusted, match=r"is a symbolic link, and .* Remove it: rm "),
        exclusive(lock, console, "works"),
    ):
        pass
    lock.unlink()
    os.link(victim, lock)
    with (
        pytest.raises(Untrusted, match="has another name too"),
        exclusive(lock, console, "works"),
    ):
        pass

    assert victim.read_text() == "precious"


def test_a_lock_that_is_a_pipe_holds_nobody_up(tmp_path: Path, console: Console) -> None:
    os.mkfifo(tmp_path / "the.lock", 0o600)

    with (
        pytest.raises(Untrusted, match="is no file"),
        exclusive(tmp_path / "the.lock", console, "works"),
    ):
        pass


def test_a_cache_that_others_may_write_is_not_used(
    script: Script, console: Console, environ: dict[str, str]
) -> None:
    """Nor is a folder in it, nor a program."""
    entry = folder_of(programs_folder(environ), script)
    root = cache_folder(environ)
    for one in (root, entry.parent, entry, entry / ETCD):
        before = stat.S_IMODE(one.stat().st_mode)
        one.chmod(before | 0o002)
        with pytest.raises(Untrusted, match=rf"{one} may be written by others \(mode 757\)"):
            find_programs([ETCD], console, environ)
        one.chmod(before)

    assert find_programs([ETCD], console, environ) == {ETCD: entry / ETCD}


@as_root
def test_a_program_of_another_user_is_not_executed(
    script: Script, console: Console, environ: dict[str, str]
) -> None:
    entry = folder_of(programs_folder(environ), script)
    os.chown(entry / ETCD, NOBODY, NOBODY)

    with pytest.raises(Untrusted, match="belongs to another user"):
        find_programs([ETCD], console, environ)


def test_a_program_that_changed_since_it_was_put_there_is_not_executed(
    script: Script, console: Console, environ: dict[str, str]
) -> None:
    """The time of its content was set back; the time of its inode tells."""
    entry = folder_of(programs_folder(environ), script)
    sums.record(entry, [ETCD])
    before = (entry / ETCD).stat()
    (entry / ETCD).write_bytes((entry / ETCD).read_bytes().replace(b"3.6.8", b"3.6.9"))
    os.utime(entry / ETCD, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(Untrusted, match=r"is not the program that was put there.*rm -r"):
        find_programs([ETCD], console, environ)


def test_a_program_that_was_only_copied_is_read_once_and_used(
    script: Script, console: Console, environ: dict[str, str]
) -> None:
    """A cache that is saved and restored has other times and inodes."""
    entry = folder_of(programs_folder(environ), script)
    sums.record(entry, [ETCD])
    recorded = json.loads((entry / sums.RECORD).read_text())
    os.utime(entry / ETCD, ns=(1, 1))

    assert find_programs([ETCD], console, environ) == {ETCD: entry / ETCD}
    again = json.loads((entry / sums.RECORD).read_text())
    assert again[ETCD]["sha256"] == recorded[ETCD]["sha256"]
    assert again[ETCD]["seen"] != recorded[ETCD]["seen"]


@pytest.mark.parametrize("record", [None, "", "{", "[1]", '{"etcd": {"sha256": 1}}'])
def test_an_entry_without_sums_gets_them(
    script: Script, console: Console, environ: dict[str, str], record: str | None
) -> None:
    """It was made by an earlier capscan; nobody else may write it."""
    entry = folder_of(programs_folder(environ), script)
    if record is not None:
        (entry / sums.RECORD).write_text(record)

    assert find_programs([ETCD], console, environ) == {ETCD: entry / ETCD}
    assert len(json.loads((entry / sums.RECORD).read_text())[ETCD]["sha256"]) == 64


def test_what_others_in_the_users_group_may_write_is_told_from_the_users_own(
    tmp_path: Path,
) -> None:
    """A umask of 002 opens files to a group that has nobody else in it."""
    tmp_path.chmod(0o775)
    if os.geteuid() == 0:
        assert objection(tmp_path) == ""
        os.chown(tmp_path, 0, NOBODY)
        assert "may be written by others (mode 775)" in objection(tmp_path)
    tmp_path.chmod(0o755)
    assert objection(tmp_path) == ""


def test_doctor_says_that_a_cache_is_open_to_others(
    environ: dict[str, str], said: io.StringIO
) -> None:
    """It executes nothing of it."""
    root = cache_folder(environ)
    root.mkdir()
    root.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-m", "capscan.localplane.doctor"],
        env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "may be written by others (mode 777)" in done.stdout
    assert "Traceback" not in done.stderr
    assert said.getvalue() == ""
