"""How one types this program."""

import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
SHOW = "from capscan.cli.program import program; print(program())"


def typed(python: Path, folder: Path, path: str) -> str:
    return subprocess.run(
        [python, "-c", SHOW], cwd=folder, env={"PATH": path}, capture_output=True, text=True,
        check=True,
    ).stdout.strip()  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "path", "expected"),
    [
        (BIN.parents[1], "/usr/bin", f"{BIN.parent.name}/{BIN.name}/capscan"),
        (Path("/"), "/nowhere", str(BIN / "capscan").removeprefix("/")),
        (BIN.parents[1], f"/usr/bin:{BIN}", "capscan"),
    ],
    ids=["in the checkout", "at the root", "on PATH"],
)
def test_it_is_typed_so_that_the_shell_finds_this_one(
    folder: Path, path: str, expected: str
) -> None:
    assert typed(Path(sys.executable), folder, path) == expected


def test_another_one_on_the_path_is_not_meant(tmp_path: Path) -> None:
    other = tmp_path / "capscan"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)

    assert typed(Path(sys.executable), tmp_path, str(tmp_path)) == str(BIN / "capscan")
