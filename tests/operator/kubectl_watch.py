"""Records what `kubectl get -w` shows."""

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.kubectl import Kubectl
from tests.operator.waiting import WAIT_S, until

Json = dict[str, Any]


class KubectlWatch:
    """Records every version of one scan, in order, while kubectl runs."""

    def __init__(self, kubectl: Kubectl, name: str) -> None:
        # No pipe: kubectl would come to a halt once nobody has read the first 64 KiB.
        self._file = tempfile.NamedTemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [
                str(kubectl.program),
                f"--kubeconfig={kubectl.kubeconfig}",
                *("get", "capabilityscan", name, "-w", "-o", "json"),
            ],
            stdout=self._file,
        )

    def until(self, accept: Callable[[Json], bool], what: str) -> None:
        """Wait until it has seen a version that is as wanted."""
        until(self._versions, lambda versions: any(map(accept, versions)), what)

    def stop(self) -> list[Json]:
        """End the watch; return all versions that it saw."""
        self._process.terminate()
        self._process.wait(WAIT_S)
        versions = self._versions()
        self._file.close()
        return versions

    def _versions(self) -> list[Json]:
        # The file is opened anew, or kubectl and this process would share one position in it.
        text = Path(self._file.name).read_text(encoding="utf-8", errors="replace")
        decoder, versions, at = json.JSONDecoder(), [], 0
        while at < len(text):
            try:
                version, at = decoder.raw_decode(text, at)
            except ValueError:  # cut off by the end of the process
                break
            versions.append(version)
            at += len(text[at:]) - len(text[at:].lstrip())
        return versions
