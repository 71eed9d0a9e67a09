"""`capscan demo`: the main job from beginning to end, with every command that it runs on show.

A control plane on this machine, the CRDs of three real projects, the operator as a process of its
own, and kubectl as the user. Nothing here is special to the demo: each step is what one types.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from capscan.cli import Cannot
from capscan.localplane.console import Console
from capscan.localplane.crd_modules import crd_files, crd_modules
from capscan.localplane.plane import Plane, PlaneInfo
from capscan.localplane.processes import Process, spawn, stop

PROJECTS = ("cert-manager", "prometheus-operator", "external-secrets")
SCAN = "everything"
SHOWN = "certificates.cert-manager.io"
RUN_TIMEOUT_S = 120
OPERATOR_PATIENCE_S = 15.0
ENDS = ("Completed", "CompletedWithFailures", "Failed")

SAMPLE = f"""\
apiVersion: capscan.dev/v1alpha1
kind: CapabilityScan
metadata:
  name: {SCAN}
spec:
  progressInterval: 500ms
"""


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".cache/demo"),
    show_default=True,
    help="Where the control plane's data lies.",
)
@click.option("--keep", is_flag=True, envvar="KEEP", show_envvar=True, help="Leave it running.")
def demo(folder: Path, keep: bool) -> None:
    """Run a CapabilityScan over real CRDs on a real API server on this machine."""
    Demo(folder, keep=keep).run()


@dataclass
class _Screen:
    """What the reader sees: a heading for each step, and the commands as they are run."""

    began_s: float
    step: int = 0

    def heading(self, text: str) -> None:
        self.step += 1
        click.secho(f"\n{self.step}. {text}", bold=True)

    def command(self, line: str) -> None:
        click.secho(f"   $ {line}", fg="cyan")

    def note(self, text: str) -> None:
        click.echo(f"   {text}")


class Demo:
    """One showing."""

    def __init__(self, folder: Path, *, keep: bool) -> None:
        self._folder = folder
        self._keep = keep
        self._plane = Plane(folder, Console())
        self._screen = _Screen(time.monotonic())
        self._info: PlaneInfo | None = None

    def run(self) -> None:
        """All steps; whatever happens, nothing is left behind unless it was asked for."""
        click.echo("capscan, as one uses it, on an API server of this machine's own.")
        try:
            self._clear_leftovers()
            with _terminated_like_interrupted():
                self._show()
                self._end()
        except BaseException:
            self._stop()
            raise
        took_s = time.monotonic() - self._screen.began_s
        click.echo(f"\nThat took {took_s:.0f} s.")

    def _show(self) -> None:
        self._screen.heading("A control plane: etcd and kube-apiserver")
        self._screen.command(f"capscan local up --dir {shlex.quote(str(self._folder))}")
        self._info = self._plane.up()

        self._screen.heading(f"The CRDs of real projects: {', '.join(PROJECTS)}")
        self._load_crds()

        self._screen.heading("capscan: its two kinds, and the operator")
        self._kubectl("apply", "-k", _own_crds())
        self._quietly("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        self._start_operator()

        self._screen.heading("What can this cluster do? Ask, and watch")
        self._apply_scan()
        self._watch_scan()
        self._kubectl("get", "capabilityscan", SCAN, "-o", "wide")

        self._screen.heading("The answer: one Capability per CRD")
        self._kubectl("get", "capabilities")

        self._screen.heading("One of them in full")
        self._kubectl("get", "capability", SHOWN, "-o", "yaml")

    def _end(self) -> None:
        if self._keep:
            self._say_what_next()
            return
        self._screen.heading("The end: the operator and the control plane are stopped")
        self._screen.command(f"capscan local down --dir {shlex.quote(str(self._folder))}")
        self._stop()

    def _load_crds(self) -> None:
        known = crd_modules()
        for name in PROJECTS:
            module = known[name]
            files = crd_files([module], Console())
            folder = _short(files[0].parent)
            self._screen.command(f"kubectl apply --server-side -f {folder}")
            # Client-side apply keeps a copy in an annotation, which these CRDs are too large for.
            args = [f"--filename={file}" for file in files]
            count = len(self._quietly("apply", "--server-side", *args).splitlines())
            self._screen.note(f"{count} CRDs of {name} {module.version}")

    def _start_operator(self) -> None:
        self._screen.command(f"capscan operator 2> {shlex.quote(str(self._operator_log))} &")
        command = [sys.executable, "-m", "capscan", "operator"]
        command += ["--kubeconfig", str(self._plane_info.kubeconfig)]
        process = spawn(command, self._operator_log)
        self._operator_file.write_text(json.dumps(asdict(process)), encoding="utf-8")

    def _apply_scan(self) -> None:
        file = self._folder / f"{SCAN}.yaml"
        file.write_text(SAMPLE, encoding="utf-8")
        self._screen.command(f"cat {shlex.quote(str(file))}")
        click.echo("".join(f"   {line}\n" for line in SAMPLE.splitlines()), nl=False)
        self._kubectl("apply", "-f", str(file))

    def _watch_scan(self) -> None:
        args = ["get", "capabilityscan", SCAN, "--watch", f"--request-timeout={RUN_TIMEOUT_S}s"]
        self._screen.command(f"kubectl {shlex.join(args[:4])}")
        with subprocess.Popen(
            self._command(args), env=self._environment(), stdout=subprocess.PIPE, text=True
        ) as watch:
            try:
                for line in watch.stdout or ():
                    click.echo(f"   {line}", nl=False)
                    if any(word in ENDS for word in line.split()):
                        return
            finally:
                watch.terminate()
        raise Cannot(
            f"the scan was not done after {RUN_TIMEOUT_S} s; the operator's log is "
            f"{self._operator_log}"
        )

    def _kubectl(self, *args: str) -> None:
        """Show the command and what it prints."""
        self._screen.command(f"kubectl {shlex.join(args)}")
        click.echo("".join(f"   {line}\n" for line in self._quietly(*args).splitlines()), nl=False)

    def _quietly(self, *args: str) -> str:
        done = subprocess.run(
            self._command(args),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Cannot(f"kubectl {shlex.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def _command(self, args: Sequence[str]) -> list[str]:
        return [str(self._plane_info.kubectl), *args]

    def _environment(self) -> dict[str, str]:
        # kubectl remembers an API server by host and port: another may have had this port before.
        cache = {"KUBECACHEDIR": str(self._folder.absolute() / "kubectl-cache")}
        return {**os.environ, **cache, "KUBECONFIG": str(self._plane_info.kubeconfig)}

    def _clear_leftovers(self) -> None:
        if self._operator_file.exists() or self._plane.status():
            self._screen.note("stopping what an earlier demo left running")
            self._stop()

    def _stop(self) -> None:
        if self._operator_file.exists():
            process = Process(**json.loads(self._operator_file.read_text(encoding="utf-8")))
            stop(process, patience_s=OPERATOR_PATIENCE_S)
        self._plane.down()

    def _say_what_next(self) -> None:
        folder = shlex.quote(str(self._folder))
        self._screen.heading("Everything is left running. Try:")
        for line in (
            f'eval "$(.venv/bin/capscan local env --dir {folder})"',
            "kubectl get capscan --watch",
            """kubectl patch capscan everything --type=merge -p '{"spec":{"rescan":"1"}}'""",
            "kubectl describe capscan everything",
            "kubectl explain capabilityscan.spec",
        ):
            self._screen.command(line)
        self._screen.note("and in the end:")
        pid = json.loads(self._operator_file.read_text(encoding="utf-8"))["pid"]
        self._screen.command(f"kill {pid}; .venv/bin/capscan local down --dir {folder}")

    @property
    def _operator_log(self) -> Path:
        return self._folder / "operator.log"

    @property
    def _operator_file(self) -> Path:
        return self._folder / "operator.json"

    @property
    def _plane_info(self) -> PlaneInfo:
        if self._info is None:
            raise RuntimeError("the control plane comes first")
        return self._info


def _own_crds() -> str:
    """The folder with capscan's CRDs: in the wheel, or in the checkout it was installed from."""
    packaged = Path(__file__).parents[1] / "crds"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[3] / "crds"
    return _short(folder)


def _short(path: Path) -> str:
    """As one would type it from here."""
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return f"{prefix}{path.relative_to(base)}"
    return str(path)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM cleans up as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
