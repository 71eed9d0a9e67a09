"""Builds the control plane's programs from the Go modules that `go/go.mod` pins.

The last source in `programs.py`, for machines that can reach a Go module proxy but neither have
ready-made programs nor a way to the archive: minutes once, then the cache. Go checks every module
against `go/go.sum`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from capscan.localplane import sums
from capscan.localplane.console import Console, elapsed
from capscan.localplane.errors import NoPrograms, ending
from capscan.localplane.golang import find_go, go_environment
from capscan.localplane.ownership import make_folder

GO_FILES = Path(__file__).with_name("go")
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
POLL_S = 1.0
_PINNED = re.compile(r"^[ \t]*+k8s\.io/kubernetes (v\S++)$", re.MULTILINE)


def build(
    names: Sequence[str], *, folder: Path, console: Console, environ: Mapping[str, str] = os.environ
) -> dict[str, Path]:
    """Build `names` into `folder`. The caller holds the lock on it. Raises NoPrograms."""
    go = find_go(console, environ)
    # A copy, because an installed package may be read-only and Go wants a module it can lock.
    module = folder / "go"
    make_folder(module)
    for file in GO_FILES.iterdir():
        shutil.copyfile(file, module / file.name)
    console.say(
        f"building {', '.join(names)} (Kubernetes {kubernetes_version()}) from source with {go}; "
        "all together takes about 10 minutes on two cores, once"
    )
    for number, name in enumerate(names, start=1):
        log = folder / f"{name}.log"
        fresh = folder / f".{name}.{os.getpid()}"
        command = [str(go), "build", *_flags(), "-o", str(fresh), PACKAGES[name]]
        title = f"building {name} ({number} of {len(names)})"
        took = _run(command, module, log, title, console, environ)
        fresh.chmod(0o755)
        fresh.replace(folder / name)
        console.say(f"built {name} ({number} of {len(names)}) in {took}")
    sums.record(folder, names)
    return {name: folder / name for name in names}


def kubernetes_version() -> str:
    """Return the Kubernetes release that go.mod pins, as `v1.36.2`."""
    pins = (GO_FILES / "go.mod").read_text(encoding="utf-8")
    match = _PINNED.search(pins)
    assert match, "go.mod requires k8s.io/kubernetes"  # noqa: S101 (our own file)
    return match[1]


def _flags() -> list[str]:
    """Return flags that make the programs small and reproducible, and stamp the version into them:
    without it, clients cannot parse what a server says of itself.
    """
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".", 2)
    stamps = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    stamped = " ".join(f"-X k8s.io/component-base/version.{k}={v}" for k, v in stamps.items())
    return ["-trimpath", "-mod=readonly", "-ldflags", f"-s -w {stamped}"]


def _run(
    command: Sequence[str], cwd: Path, log: Path, title: str, console: Console,
    environ: Mapping[str, str],
) -> str:  # fmt: skip
    """Run the command to its end, show how long it takes, return that time. Raises NoPrograms."""
    began = time.monotonic()
    console.say(f"{title}, log in {log}")
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=cwd, env=go_environment(environ),
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        ) as process,
    ):  # fmt: skip
        while not _ended(process):
            console.waiting(f"{title}: {elapsed(began)}")
    console.clear()
    if process.returncode:
        raise NoPrograms(
            f"{title} failed after {elapsed(began)} (exit code {process.returncode}). {ending(log)}"
        )
    return elapsed(began)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=POLL_S)
    except subprocess.TimeoutExpired:
        return False
    return True
