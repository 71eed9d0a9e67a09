"""The course of the demo.

A control plane on this machine, the CRDs of nine real projects, the operator as a process of its
own, and kubectl as the user.
"""

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

import click

from capscan.cli import Cannot
from capscan.cli.demo.kubectl import Kubectl
from capscan.cli.demo.screen import Screen, first_rows, short
from capscan.cli.demo.signals import terminated_like_interrupted, undisturbed
from capscan.cli.demo.summary import known, summary
from capscan.cli.demo.watch import TIMEOUT_S, watch
from capscan.localplane.console import Console
from capscan.localplane.crd_modules import crd_files, crd_modules
from capscan.localplane.plane import Plane
from capscan.localplane.processes import Process, spawn, stop

SCAN = "everything"
SHOWN = "certificates.cert-manager.io"
ROWS_SHOWN = 12
OPERATOR_PATIENCE_S = 15.0

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


class Demo:
    """One showing."""

    def __init__(self, folder: Path, *, keep: bool) -> None:
        self._folder = folder
        self._keep = keep
        self._plane = Plane(folder, Console())
        self._screen = Screen()

    def run(self) -> None:
        """All steps; whatever happens, nothing is left behind unless it was asked for."""
        self._screen.title("capscan, as one uses it, on an API server of this machine's own.")
        keep = False
        with terminated_like_interrupted():
            try:
                self._clear_leftovers()
                self._show()
                self._say_how_it_ends()
                keep = self._keep
            finally:
                if not keep:
                    self._stop_in_any_case()
        self._screen.title(f"\nThat took {self._screen.elapsed_s:.0f} s.")

    def _stop_in_any_case(self) -> None:
        """An interrupt may come just before it can be held back: then stop all the same."""
        stopped = interrupted = False
        while not stopped:
            try:
                with undisturbed():
                    self._stop()
                    stopped = True
            except KeyboardInterrupt:
                interrupted = True
        if interrupted:
            raise KeyboardInterrupt

    def _show(self) -> None:
        screen = self._screen
        screen.heading("A control plane: etcd and kube-apiserver")
        screen.command(f"capscan local up --dir {shlex.quote(str(self._folder))}")
        info = self._plane.up()
        kubectl = Kubectl(info.kubectl, info.kubeconfig, self._folder.absolute() / "kubectl-cache")

        # First: a new kind waits in line while the API server is busy with a hundred CRDs.
        screen.heading("capscan: its two kinds, and the operator")
        self._kubectl(kubectl, "apply", "-k", _own_crds())
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        self._start_operator(info.kubeconfig)

        screen.heading("The CRDs of nine real projects")
        self._load_crds(kubectl)

        screen.heading("What can this cluster do? Ask, and watch")
        self._apply_scan(kubectl)
        if not watch(kubectl, SCAN, screen):
            raise Cannot(
                f"the scan was not done after {TIMEOUT_S} s; the operator's log is "
                f"{self._operator_log}"
            )
        self._kubectl(kubectl, "get", "capabilityscan", SCAN, "-o", "wide")

        screen.heading("The answer: one Capability per CRD")
        self._list_capabilities(kubectl)

        screen.heading("One of them in full")
        self._kubectl(kubectl, "get", "capability", SHOWN, "-o", "yaml")

        screen.heading("So that is what this cluster can do")
        screen.lines(summary(known(kubectl("get", "capabilities", "-o", "json"))))

    def _load_crds(self, kubectl: Kubectl) -> None:
        for name, module in crd_modules().items():
            files = crd_files([module], Console())
            self._screen.command(f"kubectl apply --server-side -f {short(files[0].parent)}")
            # Client-side apply keeps a copy in an annotation, which these CRDs are too large for.
            args = [f"--filename={file}" for file in files]
            count = len(kubectl("apply", "--server-side", *args).splitlines())
            self._screen.note(f"{count} CRDs of {name} {module.version}")

    def _start_operator(self, kubeconfig: Path) -> None:
        self._screen.command(f"capscan operator 2> {shlex.quote(str(self._operator_log))} &")
        command = [sys.executable, "-m", "capscan", "operator", "--kubeconfig", str(kubeconfig)]
        # Between the two, there is a process that nobody would know how to stop.
        with undisturbed():
            process = spawn(command, self._operator_log)
            self._operator_file.write_text(json.dumps(asdict(process)), encoding="utf-8")

    def _apply_scan(self, kubectl: Kubectl) -> None:
        file = self._folder / f"{SCAN}.yaml"
        file.write_text(SAMPLE, encoding="utf-8")
        self._screen.command(f"cat {shlex.quote(str(file))}")
        self._screen.output(SAMPLE)
        self._kubectl(kubectl, "apply", "-f", str(file))

    def _list_capabilities(self, kubectl: Kubectl) -> None:
        self._screen.command(f"kubectl get capabilities | head -n {ROWS_SHOWN + 1}")
        table, more = first_rows(kubectl("get", "capabilities"), ROWS_SHOWN)
        self._screen.output(table)
        self._screen.note(
            f"… and {more} more. To see all: KEEP=1 make demo, then kubectl get capabilities"
        )

    def _kubectl(self, kubectl: Kubectl, *args: str) -> None:
        """Show the command and what it prints."""
        self._screen.command(f"kubectl {shlex.join(args)}")
        self._screen.output(kubectl(*args))

    def _clear_leftovers(self) -> None:
        if self._operator_file.exists() or self._plane.status():
            self._screen.note("stopping what an earlier demo left running")
            self._stop()

    def _stop(self) -> None:
        if self._operator_file.exists():
            process = Process(**json.loads(self._operator_file.read_text(encoding="utf-8")))
            stop(process, patience_s=OPERATOR_PATIENCE_S)
        self._plane.down()

    def _say_how_it_ends(self) -> None:
        folder = shlex.quote(str(self._folder))
        if not self._keep:
            self._screen.heading("The end: the operator and the control plane are stopped")
            self._screen.command(f"capscan local down --dir {folder}")
            return
        self._screen.heading("Everything is left running. Try:")
        for line in (
            f'eval "$(.venv/bin/capscan local env --dir {folder})"',
            "kubectl get capabilities",
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


def _own_crds() -> str:
    """The folder with capscan's CRDs: in the wheel, or in the checkout it was installed from."""
    packaged = Path(__file__).parents[2] / "crds"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[4] / "crds"
    return short(folder)
