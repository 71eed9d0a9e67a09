"""The peers' own environment: their dependencies are not ours. PEERS=1 makes it, once."""

import os
import subprocess
import sys

from benchmarks.gate.rows import PEERS_PYTHON, ROOT

LOCK = ROOT / "requirements" / "peers.txt"


def prepared() -> bool:
    """Return whether peers are wanted. Then they are installed first, as their lock file says."""
    if not os.environ.get("PEERS"):
        return False
    folder = PEERS_PYTHON.parents[1]
    stamp = folder / ".installed"
    if not stamp.exists() or stamp.stat().st_mtime < LOCK.stat().st_mtime:
        print(f"installing the peers into {folder.name} (minutes, about 1 GB)", flush=True)
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        # The lock file is complete; pip would ask for hashes of extras that it names otherwise.
        install = ("-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes")
        _run(str(PEERS_PYTHON), *install, "-r", str(LOCK))
        stamp.touch()
    return True


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=ROOT)
