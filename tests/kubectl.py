"""Runs kubectl against the control plane of the tests."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 100
"""Under load an API server takes its time to delete a CRD: it tries again with growing pauses."""


class KubectlError(subprocess.CalledProcessError):
    """kubectl ended with an error; the message is what it printed."""

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.stderr.strip()}"


@dataclass(frozen=True)
class Kubectl:
    """Call it with kubectl's arguments; it answers with what kubectl printed."""

    program: Path
    kubeconfig: Path
    user: str = ""
    """Whom it acts as; "" is the user of the kubeconfig."""

    def __call__(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002
        timeout_s: float = TIMEOUT_S,
    ) -> str:
        acting = ("--as", self.user) if self.user else ()
        done = subprocess.run(
            [self.program, *acting, *args], env=os.environ | {"KUBECONFIG": str(self.kubeconfig)},
            input=input, stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        if done.returncode:
            raise KubectlError(done.returncode, ["kubectl", *args], done.stdout, done.stderr)
        return done.stdout
