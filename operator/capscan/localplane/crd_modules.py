"""The CRDs of real projects, for the demo and the tests; none is copied into the repository.

They come as Go modules, because Go's module proxy is within reach of the same machines that build
the control plane, and a module has one sum that cannot change behind its version. What is pinned
stands in `crd_modules.toml`; what was fetched once stays in the cache and needs no Go again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capscan.localplane.cache import cache_folder, exclusive, writing
from capscan.localplane.console import Console
from capscan.localplane.errors import BadModule
from capscan.localplane.golang import find_go, go_environment

PINS = Path(__file__).with_name("crd_modules.toml")
IS_CRD = re.compile(r"^kind: CustomResourceDefinition\s*$", re.MULTILINE)


@dataclass(frozen=True)
class CrdModule:
    """A Go module and the folders in it that hold CRDs."""

    name: str
    module: str
    version: str
    sum: str
    folders: tuple[str, ...]


def crd_modules(pins: Path = PINS) -> dict[str, CrdModule]:
    """Return every pinned project, by name."""
    table = tomllib.loads(pins.read_text(encoding="utf-8"))
    return {
        name: CrdModule(name, row["module"], row["version"], row["sum"], tuple(row["folders"]))
        for name, row in table.items()
    }


def crd_files(
    modules: Iterable[CrdModule], console: Console, environ: Mapping[str, str] = os.environ
) -> list[Path]:
    """Return the YAML files with these projects' CRDs, sorted within each project. They hold
    nothing else.

    Some are too large for `kubectl apply`, which keeps a copy in an annotation: use `kubectl apply
    --server-side`. PyYAML cannot read all of them: a bare `=` in an enum is a type of its own in
    YAML 1.1. Raises BadModule, and NoPrograms where Go is needed but missing.
    """
    files: list[Path] = []
    for module in modules:
        folder = _cached(module, environ)
        if not folder.exists():
            _fetch(module, folder, console, environ)
        files += sorted(folder.glob("*.yaml"))
    return files


def missing_crds(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the projects whose CRDs are not in the cache yet."""
    return [
        name
        for name, module in crd_modules().items()
        if not os.access(_cached(module, environ), os.F_OK)
    ]


def _fetch(module: CrdModule, folder: Path, console: Console, environ: Mapping[str, str]) -> None:
    lock = folder.with_name(f"{folder.name}.lock")
    with writing(environ), exclusive(lock, console, "fetches CRDs"):
        if not folder.exists():
            console.say(f"fetching {module.name} {module.version} for its CRDs")
            _keep(_download(module, console, environ), module, folder)


def _cached(module: CrdModule, environ: Mapping[str, str]) -> Path:
    pinned = "\n".join([module.module, module.version, module.sum, *module.folders])
    key = hashlib.sha256(pinned.encode()).hexdigest()[:12]
    return cache_folder(environ) / "crds" / f"{module.name}-{module.version}-{key}"


def _download(module: CrdModule, console: Console, environ: Mapping[str, str]) -> Path:
    """Let Go fetch the module, and compare what it got with the pinned sum."""
    go = find_go(console, environ)
    with tempfile.TemporaryDirectory(prefix="capscan-crds-") as empty:
        # A module of its own: in another's folder, that one's requirements would have a say.
        Path(empty, "go.mod").write_text("module none\n", encoding="utf-8")
        done = subprocess.run(
            [go, "mod", "download", "-json", f"{module.module}@{module.version}"],
            cwd=empty, env=go_environment(environ),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
    answer = _parse(done.stdout)
    if done.returncode or "Dir" not in answer:
        reason = answer.get("Error") or done.stderr.strip() or f"exit code {done.returncode}"
        raise BadModule(f"{module.module} {module.version} could not be fetched: {reason}")
    if answer["Sum"] != module.sum:
        raise BadModule(
            f"{module.module} {module.version} is not what was pinned: its sum is {answer['Sum']}, "
            f"{PINS.name} says {module.sum}. Somebody changed it on the way; nothing of it was used"
        )
    return Path(answer["Dir"])


def _parse(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _keep(source: Path, module: CrdModule, folder: Path) -> None:
    """Copy the CRDs into the cache: all of them or, if this process dies, none."""
    fresh = Path(tempfile.mkdtemp(prefix=f".{module.name}-", dir=folder.parent))
    try:
        for file in _with_crds(source, module.folders):
            shutil.copyfile(file, fresh / file.name)
        if not any(fresh.iterdir()):
            raise BadModule(f"{module.module} {module.version} holds no CRDs in {module.folders}")
        fresh.chmod(0o755)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _with_crds(source: Path, folders: Iterable[str]) -> Iterator[Path]:
    """Yield the files whose documents are CRDs; a kustomization.yaml beside them is not one."""
    for folder in folders:
        for file in sorted((source / folder).glob("*.yaml")):
            if IS_CRD.search(file.read_text(encoding="utf-8")):
                yield file
