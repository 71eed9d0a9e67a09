"""Guards on the repository itself."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def tracked() -> list[Path]:
    """Return the files of the repository; skip where this is no clone, as in an archive."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git clone")
    files = (ROOT / name for name in listing.stdout.decode().split("\0") if name)
    return [file for file in files if file.is_file() or file.is_symlink()]


def test_the_source_root_is_no_package() -> None:
    """`operator/__init__.py` would shadow the standard library's module from the root."""
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_the_standard_library_imports_from_the_root() -> None:
    """collections needs operator, and -c puts the root first on the path."""
    code = "import collections, operator; print(operator.itemgetter(0)('ok'))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert ran.stdout == "o\n"


REQUIREMENTS = sorted((ROOT / "requirements").iterdir())


@pytest.mark.parametrize("file", REQUIREMENTS, ids=[file.name for file in REQUIREMENTS])
def test_requirements_name_no_address(file: Path) -> None:
    """Where packages come from is the reader's choice."""
    assert re.findall(r"https?:|--(?:extra-)?index-url|--find-links", file.read_text()) == []


@pytest.mark.parametrize("name", ["runtime", "build", "dev", "lock", "peers", "servers"])
def test_every_requirement_is_pinned_with_a_hash(name: str) -> None:
    """pip demands it under --require-hashes; here it is told before a build."""
    logical = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in logical.splitlines() if line and not line.startswith("#")]

    assert [line for line in lines if "==" not in line or "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("name", ["peers", "servers"])
def test_no_stolen_release_of_litellm_is_pinned(name: str) -> None:
    """1.82.7 and 1.82.8 were published with the project's stolen credentials, to steal others'."""
    pinned = re.findall(r"(?m)^litellm==(\S+)", (ROOT / f"requirements/{name}.txt").read_text())

    assert len(pinned) == 1
    assert set(pinned).isdisjoint({"1.82.7", "1.82.8"})


def test_peers_and_servers_are_no_dependency_of_ours() -> None:
    """They have environments of their own."""
    ours = "".join((ROOT / f"requirements/{name}.txt").read_text() for name in ("runtime", "dev"))

    others = r"litellm|langchain\S*|openai|bespokelabs\S*|xllamacpp|fakellm|llmock"
    assert re.findall(rf"(?m)^({others})==", ours) == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    """No home folder is named, nor the folder that this clone lies in."""
    here = re.escape(str(ROOT))
    path = re.compile(rf"{here}\b|(?<![\w.])/(?:home|Users)/[a-z]\w*/|(?<![\w.])/root/")
    found = [
        f"{file.relative_to(ROOT)}: {match.group()}"
        for file in tracked()
        for match in path.finditer(file.read_text(encoding="utf-8", errors="replace"))
        if file != Path(__file__)
    ]

    assert found == []


def test_no_tracked_file_is_a_link() -> None:
    """A link leads to a place of the machine it was made on; a linked .venv ends every set-up."""
    assert [str(file.relative_to(ROOT)) for file in tracked() if file.is_symlink()] == []


def test_a_second_make_installs_nothing(tmp_path: Path) -> None:
    """Only what changed is brought up to date; the folder's name may have a space in it."""
    clone = tmp_path / "a clone"
    for name in ("Makefile", "pyproject.toml", "requirements/dev.txt"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, clone / name)
    assert "pip" in would_run(clone)

    stamp = clone / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.touch()
    assert would_run(clone) == ".venv/bin/capscan demo\n"

    os.utime(stamp, (1, 1))
    assert "pip" in would_run(clone)


def would_run(clone: Path) -> str:
    """Return what `make demo` would do, on its own even if a make runs this test."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "-n", "demo"], cwd=clone, env=environ, capture_output=True, text=True, check=True
    ).stdout


def test_an_interrupted_set_up_is_begun_anew(tmp_path: Path) -> None:
    """Ctrl-C came after Python and before pip. A finished set-up is only brought up to date."""
    for name in ("Makefile", "pyproject.toml", "requirements/dev.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] && exit 1\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)

    assert "-m venv .venv" in set_up(tmp_path)
    stamp = tmp_path / ".venv" / ".installed"
    stamp.touch()
    os.utime(stamp, (1, 1))
    assert set_up(tmp_path).startswith("set-up: bringing .venv up to date\n")


def set_up(clone: Path) -> str:
    """Return what `make` says, with a Python that can do everything but make an environment."""
    python = clone / ".venv" / "bin" / "python"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", f"PYTHON={python}", ".venv/.installed"]
    done = subprocess.run(
        command, cwd=clone, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode
    return done.stdout
