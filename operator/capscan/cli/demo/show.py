"""The course of the demo.

It plays with a control plane on this machine, the CRDs of nine real projects, the operator as a
process of its own, and kubectl as the user.
"""

import shlex
from pathlib import Path

import click

from capscan.cli import Cannot
from capscan.cli.demo.kubectl import Kubectl
from capscan.cli.demo.screen import first_rows, short
from capscan.cli.demo.stage import OPERATOR, Stage
from capscan.cli.demo.summary import known, summary
from capscan.cli.demo.watch import TIMEOUT_S, watch
from capscan.cli.program import program
from capscan.localplane.console import Console
from capscan.localplane.crd_modules import crd_files, crd_modules

SCAN = "everything"
SHOWN = "certificates.cert-manager.io"
ROWS_SHOWN = 12

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
    """One demo, from its first step to its last."""

    def __init__(self, folder: Path, *, keep: bool) -> None:
        self._folder = folder
        self._stage = Stage(folder, keep=keep, typed=f"{program()} demo")
        self._screen = self._stage.screen

    def run(self) -> None:
        """Show all steps. Whatever happens, nothing is left behind unless that was asked for."""
        self._screen.title("capscan, as one uses it, on an API server of this machine's own.")
        self._stage.run(self._show)
        self._screen.title(f"\nThat took {self._screen.elapsed_s:.0f} s.")

    def _show(self) -> None:
        screen = self._screen
        screen.heading("A control plane: etcd and kube-apiserver")
        kubectl = self._stage.up()

        # First: a new kind waits in line while the API server is busy with a hundred CRDs.
        screen.heading("capscan: its kinds, and the operator")
        self._stage.shown(kubectl, "apply", "-k", _own_crds())
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        self._stage.start_operator(kubectl.kubeconfig)

        screen.heading("The CRDs of nine real projects")
        self._load_crds(kubectl)

        screen.heading("What can this cluster do? Ask, and watch")
        self._apply_scan(kubectl)
        if not watch(kubectl, SCAN, screen):
            raise Cannot(
                f"the scan was not done after {TIMEOUT_S} s; the operator's log is "
                f"{self._stage.log(OPERATOR)}"
            )
        self._stage.shown(kubectl, "get", "capabilityscan", SCAN, "-o", "wide")

        screen.heading("The answer: one Capability per CRD")
        self._list_capabilities(kubectl)

        screen.heading("One of them in full")
        self._stage.shown(kubectl, "get", "capability", SHOWN, "-o", "yaml")

        screen.heading("So that is what this cluster can do")
        screen.lines(summary(known(kubectl("get", "capabilities", "-o", "json"))))
        self._say_how_it_ends(kubectl.kubeconfig)

    def _load_crds(self, kubectl: Kubectl) -> None:
        for name, module in crd_modules().items():
            files = crd_files([module], Console())
            self._screen.command(f"kubectl apply --server-side -f {short(files[0].parent)}")
            # Client-side apply keeps a copy in an annotation, which these CRDs are too large for.
            args = [f"--filename={file}" for file in files]
            count = len(kubectl("apply", "--server-side", *args).splitlines())
            self._screen.note(f"{count} CRDs of {name} {module.version}")

    def _apply_scan(self, kubectl: Kubectl) -> None:
        file = self._folder / f"{SCAN}.yaml"
        file.write_text(SAMPLE, encoding="utf-8")
        self._screen.command(f"cat {shlex.quote(str(file))}")
        self._screen.output(SAMPLE)
        self._stage.shown(kubectl, "apply", "-f", str(file))

    def _list_capabilities(self, kubectl: Kubectl) -> None:
        self._screen.command(f"kubectl get capabilities | head -n {ROWS_SHOWN + 1}")
        table, more = first_rows(kubectl("get", "capabilities"), ROWS_SHOWN)
        self._screen.output(table)
        self._screen.note(
            f"… and {more} more. To see all: KEEP=1 make demo, then kubectl get capabilities"
        )

    def _say_how_it_ends(self, kubeconfig: Path) -> None:
        if not self._stage.keep:
            self._screen.heading("The end: the operator and the control plane are stopped")
            folder = shlex.quote(str(self._folder))
            self._screen.command(f"{program()} local down --dir {folder}")
            return
        commands = (
            "kubectl get capabilities",
            "kubectl get capscan --watch",
            """kubectl patch capscan everything --type=merge -p '{"spec":{"rescan":"1"}}'""",
            "kubectl describe capscan everything",
            "kubectl explain capabilityscan.spec",
        )
        self._stage.say_what_is_left(commands, kubeconfig)


def _own_crds() -> str:
    """Return the folder with capscan's CRDs: in the wheel, or in the checkout it was installed
    from.
    """
    packaged = Path(__file__).parents[2] / "crds"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[4] / "crds"
    return short(folder)
