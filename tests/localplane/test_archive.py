"""The archive of ready-made programs, from a server on loopback: what is taken and what is not."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from capscan.localplane import sums
from capscan.localplane.archive import PROGRAMS, Archive, Patience, fetch
from capscan.localplane.console import Console
from tests.localplane.mirror import MEMBERS, PROGRAM, Mirror, packed, proxying, serving
from tests.localplane.waiting import eventually

FETCH = """
import sys
from pathlib import Path
from capscan.localplane.archive import PROGRAMS, Archive, fetch
from capscan.localplane.cache import exclusive
from capscan.localplane.console import Console
folder = Path(sys.argv[3])
with exclusive(folder.with_name("lock"), Console(), "prepares"):
    fetch(PROGRAMS, Archive(sys.argv[1], sys.argv[2], "x"), folder=folder, console=Console())
"""
WRONG = "0" * 128


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a cache" / "archive"


def got(archive: Archive, folder: Path, console: Console) -> dict[str, Path]:
    return fetch(PROGRAMS, archive, folder=folder, console=console, patience=Patience(2, 2))


def assert_nothing_left(folder: Path) -> None:
    assert not folder.exists()
    assert not folder.parent.exists() or list(folder.parent.iterdir()) == []


def test_the_right_archive_is_unpacked_once(
    folder: Path, console: Console, said: io.StringIO
) -> None:
    """The programs run and have their names; the second time nobody is asked."""
    with serving(Mirror(packed([*MEMBERS, "controller-tools/LICENSE"]))) as mirror:
        first = got(mirror.archive(), folder, console)
        second = got(mirror.archive(), folder, console)

    assert {name: folder / name for name in PROGRAMS} == first == second
    assert len(mirror.asked) == 1
    assert sorted(path.name for path in folder.iterdir()) == sorted([*PROGRAMS, sums.RECORD])
    assert {(folder / name).read_bytes() for name in PROGRAMS} == {PROGRAM}
    assert all(os.access(folder / name, os.X_OK) for name in PROGRAMS)
    assert [path.name for path in folder.parent.iterdir()] == ["archive"]
    assert said.getvalue() == "downloaded etcd, kube-apiserver, kubectl: 0 MB in 0s\n"


def test_progress_is_shown_on_a_terminal(folder: Path) -> None:
    """Bytes and time are rewritten in place."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    with serving(Mirror(packed())) as mirror:
        got(mirror.archive(), folder, Console(terminal))

    assert "downloading archive.tar.gz: 0 of 0 MB, 0s" in terminal.getvalue()


def test_a_program_that_the_archive_lacks_is_not_fetched_from_it(
    folder: Path, console: Console
) -> None:
    """The controller manager is built, and nothing is downloaded for it alone."""
    with serving(Mirror(packed())) as mirror:
        assert (
            fetch(["kube-controller-manager"], mirror.archive(), folder=folder, console=console)
            == {}
        )
        assert mirror.asked == []
        both = ["kube-controller-manager", "etcd"]
        assert fetch(both, mirror.archive(), folder=folder, console=console) == {
            "etcd": folder / "etcd"
        }


def test_a_wrong_sum_is_refused_and_named(
    folder: Path, console: Console, said: io.StringIO
) -> None:
    """The message has both sums, where the right one stands, and what happens now."""
    with serving(Mirror(packed())) as mirror:
        assert got(mirror.archive(WRONG), folder, console) == {}

    came = mirror.archive().sha512
    assert f"{mirror.url}/archive.tar.gz is refused, and nothing of it was used" in said.getvalue()
    assert f"  {came}, and must be\n  {WRONG} (archive.toml)\n" in said.getvalue()
    assert said.getvalue().endswith(": building from source instead\n")
    assert_nothing_left(folder)


def test_a_cut_archive_is_refused(folder: Path, console: Console, said: io.StringIO) -> None:
    """The connection closed early: the message says how much came, of how much."""
    content = packed()
    with serving(Mirror(content, cut=100)) as mirror:
        assert got(mirror.archive(), folder, console) == {}

    assert f"was cut: 100 of {len(content)} bytes came: building" in said.getvalue()
    assert_nothing_left(folder)


def test_a_cut_archive_of_unknown_length_has_the_wrong_sum(
    folder: Path, console: Console, said: io.StringIO
) -> None:
    """The server did not say how long it would be: then the sum tells."""
    with serving(Mirror(packed(), cut=100, chunked=True)) as mirror:
        assert got(mirror.archive(), folder, console) == {}

    assert "is refused" in said.getvalue()
    assert_nothing_left(folder)


def test_a_missing_archive_is_said(folder: Path, console: Console, said: io.StringIO) -> None:
    """A mirror may not have this version."""
    with serving(Mirror(packed())) as mirror:
        archive = Archive(f"{mirror.url}/other.tar.gz", WRONG, "archive")
        assert got(archive, folder, console) == {}

    assert said.getvalue() == (
        f"{mirror.url}/other.tar.gz cannot be had (HTTP 404 Not Found): "
        "building from source instead\n"
    )
    assert_nothing_left(folder)


@pytest.mark.parametrize("member", ["../../etcd", "/tmp/etcd", "controller-tools/../../etcd"])
def test_a_member_that_leaves_the_folder_is_refused(
    member: str, folder: Path, console: Console, said: io.StringIO
) -> None:
    """Even with the right sum: a pin can be wrong too."""
    with serving(Mirror(packed([*MEMBERS, member]))) as mirror:
        assert got(mirror.archive(), folder, console) == {}

    assert f"is refused: it wants to write {member}" in said.getvalue()
    assert_nothing_left(folder)


def test_an_archive_without_a_program_is_refused(
    folder: Path, console: Console, said: io.StringIO
) -> None:
    """Half a control plane is none."""
    with serving(Mirror(packed(MEMBERS[:2]))) as mirror:
        assert got(mirror.archive(), folder, console) == {}

    assert "is refused: it lacks kubectl" in said.getvalue()
    assert_nothing_left(folder)


def test_a_file_that_is_no_archive_is_refused(
    folder: Path, console: Console, said: io.StringIO
) -> None:
    """The login page of a captive network may be pinned by mistake."""
    with serving(Mirror(b"<html>")) as mirror:
        assert got(mirror.archive(), folder, console) == {}

    assert "cannot be unpacked" in said.getvalue()
    assert_nothing_left(folder)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/archive.tar.gz", "Connection refused"),
        ("http://nowhere.invalid/archive.tar.gz", ""),
        ("mirror/archive.tar.gz", "unknown url type"),
    ],
)
def test_without_a_network_it_falls_through_at_once(
    url: str, reason: str, folder: Path, console: Console, said: io.StringIO
) -> None:
    """The port is closed, nobody knows the name, or the address is none."""
    began = time.monotonic()
    assert got(Archive(url, WRONG, "archive"), folder, console) == {}

    assert time.monotonic() - began < 3
    assert "cannot be had (" in said.getvalue()
    assert reason in said.getvalue()
    assert said.getvalue().endswith(": building from source instead\n")
    assert_nothing_left(folder)


def test_a_server_that_does_not_answer_is_not_waited_for(
    folder: Path, console: Console, said: io.StringIO
) -> None:
    """A firewall may swallow everything: the patience is for all addresses together."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/archive.tar.gz"
        archive = Archive(url, WRONG, "archive")
        patience = Patience(open_s=0.2, stall_s=0.5)
        assert fetch(PROGRAMS, archive, folder=folder, console=console, patience=patience) == {}

    assert "cannot be had (no answer within 0.2 s)" in said.getvalue()


def test_a_proxy_of_the_environment_is_used(tmp_path: Path, environ: dict[str, str]) -> None:
    """Only the proxy knows the host."""
    asked: list[str] = []
    url = "http://mirror.invalid/archive.tar.gz"
    with (
        serving(Mirror(packed())) as mirror,
        proxying(asked, to=mirror.url) as port,
    ):
        subprocess.run(
            [sys.executable, "-c", FETCH, url, mirror.archive().sha512, str(tmp_path / "got")],
            env=environ | {"http_proxy": f"http://127.0.0.1:{port}"},
            check=True,
        )

    assert asked == [url]
    assert (tmp_path / "got" / "etcd").read_bytes() == PROGRAM


def test_two_processes_share_one_download(tmp_path: Path, environ: dict[str, str]) -> None:
    """The second waits for the lock, and then finds what the first brought."""
    with serving(Mirror(packed()), held=True) as mirror:
        archive = mirror.archive()
        command = [sys.executable, "-c", FETCH, archive.url, archive.sha512, str(tmp_path / "got")]
        log = tmp_path / "log"
        with (
            log.open("w") as err,
            subprocess.Popen(command, env=environ, stderr=err) as first,
            subprocess.Popen(command, env=environ, stderr=err) as second,
        ):
            eventually(lambda: bool(mirror.asked) and "waiting for another" in log.read_text())
            mirror.release.set()

    assert (first.returncode, second.returncode) == (0, 0)
    assert len(mirror.asked) == 1
    assert log.read_text().count("downloaded ") == 1


def test_a_download_removes_what_a_killed_one_left(folder: Path, console: Console) -> None:
    """The rest of it does not stay."""
    partial = folder.with_name(f".{folder.name}.partial")
    (partial / "programs").mkdir(parents=True)
    (partial / "archive.tar.gz").write_bytes(b"half")

    with serving(Mirror(packed())) as mirror:
        assert got(mirror.archive(), folder, console)

    assert [path.name for path in folder.parent.iterdir()] == ["archive"]
