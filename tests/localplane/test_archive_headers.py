"""Archives whose headers mean nothing, or too much, though their sum is the pinned one."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from pathlib import Path

import pytest

from capscan.localplane.archive import MEMBERS_MAX, PROGRAMS, fetch
from capscan.localplane.console import Console
from tests.localplane.mirror import Mirror, packed, serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a cache" / "archive"


def record(key: str, value: str) -> bytes:
    """Return one record of an extended header: POSIX.1-2001, pax."""
    rest = f" {key}={value}\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return f"{length}{rest}".encode()


def with_pax(*bodies: bytes) -> bytes:
    """Return an archive whose first program has these extended headers before it."""
    blocks = bytearray()
    for body in bodies:
        header = tarfile.TarInfo("pax")
        header.size, header.type = len(body), tarfile.XHDTYPE
        blocks += header.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % 512)
    program = tarfile.TarInfo("bin/etcd")
    program.size = 1
    blocks += program.tobuf(tarfile.USTAR_FORMAT) + b"x" + bytes(511) + bytes(1024)
    return gzip.compress(bytes(blocks))


@pytest.mark.parametrize(
    "bodies",
    [
        [record("size", "1e9999")],
        [record("size", "9" * 5000)],
        [record("GNU.sparse.map", "1,2,x")],
        [record("GNU.sparse.size", "1e9")],
        [record("GNU.sparse.realsize", "zz")],
        [record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0")],
        [b"99 size=1\n"],
        [record("a", "b")] * 2000,
    ],
)
def test_headers_that_mean_nothing_are_no_bug_of_ours(
    bodies: list[bytes], folder: Path, console: Console, said: io.StringIO
) -> None:
    """Whatever tarfile raises of them, the build from source goes on."""
    with serving(Mirror(with_pax(*bodies))) as mirror:
        found = fetch(PROGRAMS, mirror.archive(), folder=folder, console=console)

    assert re.search("cannot be unpacked|is refused", said.getvalue())
    assert (found, list(folder.parent.iterdir())) == ({}, [])


def test_an_archive_of_more_files_than_three_programs_need_is_refused(
    folder: Path, console: Console, said: io.StringIO
) -> None:
    names = [f"bin/{number}" for number in range(MEMBERS_MAX + 1)]
    with serving(Mirror(packed(names))) as mirror:
        found = fetch(PROGRAMS, mirror.archive(), folder=folder, console=console)

    assert f"holds more than {MEMBERS_MAX} files" in said.getvalue()
    assert (found, list(folder.parent.iterdir())) == ({}, [])
