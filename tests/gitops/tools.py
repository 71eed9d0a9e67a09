"""The tools themselves: builds `main.go`, asks it, and keeps what it said in verdicts.json.

    python -m tests.gitops.tools          # ask, and write verdicts.json
    python -m tests.gitops.tools --build  # only see to it that the program is there

Building takes minutes, once: the program is kept where the control plane's programs are. Tests use
it where it is there, and verdicts.json where it is not.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from capscan.localplane.cache import cache_folder, exclusive
from capscan.localplane.console import Console
from capscan.localplane.golang import find_go, go_environment
from tests.gitops.rules import ARGO, FLUX, ROOT

FOLDER = Path(__file__).parent
CAPTURED = FOLDER / "captured"
VERDICTS = FOLDER / "verdicts.json"
SOURCES = [FOLDER / name for name in ("go.mod", "go.sum", "main.go")]

Verdict = dict[str, str]


def program() -> Path:
    """Where the built program is kept, whether it is there or not."""
    key = hashlib.sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest()[:12]
    return cache_folder() / "gitops" / key / "verdicts"


def build(console: Console) -> Path:
    """The program; the first time this takes minutes."""
    built = program()
    with exclusive(built.parent.with_suffix(".lock"), console, "builds kstatus, Flux and Argo CD"):
        if not built.exists():
            console.say(f"building kstatus, Flux and Argo CD into {built.parent}, for minutes")
            fresh = built.with_suffix(f".{os.getpid()}")
            subprocess.run(
                [find_go(console), "build", "-trimpath", "-mod=readonly", "-ldflags=-s -w",
                 "-o", fresh, "."],
                cwd=FOLDER,
                env=go_environment(),
                check=True,
            )  # fmt: skip
            fresh.replace(built)
    return built


def ask(built: Path, objects: Iterable[Path]) -> dict[str, Verdict]:
    """What each of the tools says of each object, by the name of its file."""
    done = subprocess.run(
        [built, FLUX, ARGO, *sorted(objects)], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line.pop("name"): line for line in lines}


def captured() -> list[Path]:
    """The captured objects."""
    return sorted(CAPTURED.glob("*.yaml"))


def inputs() -> dict[str, str]:
    """All that the verdicts depend on, with its digest: the tools, the checks, the objects."""
    return {
        file.relative_to(ROOT).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        for file in [*SOURCES, FLUX, ARGO, *captured()]
    }


@dataclass(frozen=True, slots=True)
class Recorded:
    """verdicts.json."""

    inputs: dict[str, str]
    verdicts: dict[str, Verdict]


def recorded() -> Recorded:
    """What the tools said when they were last asked."""
    return Recorded(**json.loads(VERDICTS.read_text(encoding="utf-8")))


def main() -> int:
    """Build, ask, write down."""
    built = build(Console())
    if sys.argv[1:] == ["--build"]:
        return 0
    said = Recorded(inputs(), ask(built, captured()))
    text = json.dumps(asdict(said), indent=2, sort_keys=True)
    VERDICTS.write_text(f"{text}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
