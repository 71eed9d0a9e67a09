"""What a demo plays on: a control plane, processes of its own beside it, a screen, kubectl.

Whatever happens, nothing is left behind unless that was asked for. What is shown, the demo decides
(`show.py`).
"""

import json
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from capscan.cli.demo.kubectl import Kubectl
from capscan.cli.demo.screen import Screen
from capscan.cli.demo.signals import terminated_like_interrupted, undisturbed
from capscan.cli.program import program
from capscan.localplane.console import Console
from capscan.localplane.plane import Plane
from capscan.localplane.processes import Process, spawn, stop

OPERATOR = "operator"
"""Among the processes of every demo, and the first to be stopped."""

PATIENCE_S = 15.0
"""For a process that was asked to end: the operator lets what is in flight finish."""


class Stage:
    """One showing in one folder; `typed` is how one starts it. `others` are the names of what it
    may start beside the operator, in the order in which they are stopped.
    """

    def __init__(self, folder: Path, *, keep: bool, typed: str, others: Sequence[str] = ()) -> None:
        self.folder = folder
        self.keep = keep
        self.screen = Screen()
        self._typed = typed
        self._processes = (OPERATOR, *others)
        self._quoted = shlex.quote(str(folder))
        self._plane = Plane(folder, Console())

    def run(self, show: Callable[[], None]) -> None:
        """Show it, then stop everything; also after Ctrl-C and SIGTERM, and what a showing that
        was killed has left.
        """
        keep = False
        with terminated_like_interrupted():
            try:
                self._clear_leftovers()
                show()
                keep = self.keep
            finally:
                if not keep:
                    self._stop_in_any_case()

    def up(self) -> Kubectl:
        """Start the control plane; return the administrator's kubectl for it."""
        self.screen.command(f"{program()} local up --dir {self._quoted}")
        info = self._plane.up()
        return Kubectl(info.kubectl, info.kubeconfig, self.folder.absolute() / "kubectl-cache")

    def start(self, name: str, command: list[str]) -> None:
        """Start one of the processes; its output goes to `log(name)`."""
        # Between the two, there is a process that nobody would know how to stop.
        with undisturbed():
            process = spawn(command, self.log(name))
            self._file(name).write_text(json.dumps(asdict(process)), encoding="utf-8")

    def start_operator(self, kubeconfig: Path) -> None:
        """Start the operator with this kubeconfig of the folder, and show the command."""
        log = shlex.quote(str(self.log(OPERATOR)))
        self.screen.command(f"{self._operator(kubeconfig)} 2> {log} &")
        command = [sys.executable, "-m", "capscan", "operator", "--kubeconfig", str(kubeconfig)]
        self.start(OPERATOR, command)

    def say_what_is_left(self, commands: Iterable[str], kubeconfig: Path) -> None:
        """Say what to do with what was kept; each line can be pasted."""
        self.screen.heading("Everything is left running. Try:")
        self.screen.command(f'eval "$({program()} local env --dir {self._quoted})"')
        for line in commands:
            self.screen.command(line)
        self.screen.note(
            "stop the operator, and start it again in the foreground (Ctrl-C ends it):"
        )
        self.screen.command(f"kill {self._read(OPERATOR).pid}")
        self.screen.command(self._operator(kubeconfig))
        self.screen.note("and in the end:")
        pids = " ".join(str(self._read(name).pid) for name in self._processes)
        self.screen.command(f"kill {pids}; {program()} local down --dir {self._quoted}")

    def log(self, name: str) -> Path:
        """Return the file that this process writes its output to."""
        return self.folder / f"{name}.log"

    def shown(self, kubectl: Kubectl, *args: str) -> None:
        """Run kubectl and show it: the command, and what it prints."""
        self.screen.command(f"kubectl {shlex.join(args)}")
        self.screen.output(kubectl(*args))

    def _operator(self, kubeconfig: Path) -> str:
        file = shlex.quote(str(self.folder / kubeconfig.name))
        return f"{program()} operator --kubeconfig {file}"

    def _stop_in_any_case(self) -> None:
        """Stop everything, also where an interrupt came just before it could be held back."""
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

    def _clear_leftovers(self) -> None:
        if any(self._file(name).exists() for name in self._processes) or self._plane.status():
            self.screen.note(
                f"stopping what an earlier demo left running in {self.folder} "
                f"({self._typed} --dir FOLDER would spare it)"
            )
            self._stop()

    def _stop(self) -> None:
        for name in self._processes:
            if self._file(name).exists():
                stop(self._read(name), patience_s=PATIENCE_S)
        self._plane.down()

    def _read(self, name: str) -> Process:
        return Process(**json.loads(self._file(name).read_text(encoding="utf-8")))

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"
