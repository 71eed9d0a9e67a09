"""kubectl against the demo's control plane: the only eyes that the demo has."""

import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from capscan.cli import Cannot


@dataclass(frozen=True)
class Kubectl:
    """One kubectl with its kubeconfig."""

    program: Path
    kubeconfig: Path
    cache: Path
    """kubectl remembers an API server by host and port: another may have had this port before."""

    def __call__(self, *args: str) -> str:
        """Return what kubectl prints. Raises Cannot with its error message."""
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

    @contextmanager
    def stream(self, *args: str) -> Iterator[Iterator[str]]:
        """Yield its lines as they come; kubectl is stopped at the end of the block."""
        with subprocess.Popen(
            self._command(args),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield iter(process.stdout or ())
            finally:
                process.terminate()

    def _command(self, args: Sequence[str]) -> list[str]:
        return [str(self.program), *args]

    def _environment(self) -> dict[str, str]:
        own = {"KUBECACHEDIR": str(self.cache), "KUBECONFIG": str(self.kubeconfig)}
        return {**os.environ, **own}
