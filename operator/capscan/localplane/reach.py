"""Whether the servers that a first set-up downloads from can be reached: hints within seconds.

Each gets one request without a body, all at the same time. An answer of any kind means that it can
be reached. Only a real request would tell what an index or a proxy says to that.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import urllib.error
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from capscan.localplane.archive import Patience, open_url, reason, shown
from capscan.localplane.golang import go_environment

PATIENCE = Patience(open_s=3.0, stall_s=3.0)
PROGRAM_TIMEOUT_S = 5.0
MODULE_PROXY = "https://proxy.golang.org"
PYPI = "https://pypi.org/simple"


def unreachable(urls: Mapping[str, str]) -> dict[str, str]:
    """Return, for each of `urls` (by any name) that gave no answer, why not."""
    with ThreadPoolExecutor(max_workers=max(1, len(urls))) as pool:
        answers = pool.map(_knock, urls.values())
        return {name: why for name, why in zip(urls, answers, strict=True) if why}


def _knock(url: str) -> str:
    try:
        open_url(shown(url), PATIENCE, "HEAD").close()
    except urllib.error.HTTPError as error:
        # An archive is there or not; an index may answer its front door with anything.
        return reason(error) if url.endswith(".tar.gz") else ""
    except (OSError, http.client.HTTPException) as error:
        return reason(error)
    return ""


def module_proxy(go: Path | None, environ: Mapping[str, str] = os.environ) -> str:
    """Return where Go would fetch modules from; empty if that is no web server."""
    chosen = environ.get("GOPROXY", "")
    if not chosen and go:
        chosen = _ask([str(go), "env", "GOPROXY"], go_environment(environ))
    first = (chosen or MODULE_PROXY).replace("|", ",").split(",")[0]
    return f"{first.rstrip('/')}/" if first.startswith("http") else ""


def package_index(environ: Mapping[str, str] = os.environ) -> str:
    """Return the page of one package, where pip would look for it; empty if pip asks no index."""
    if environ.get("PIP_NO_INDEX"):
        return ""
    pip = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    chosen = environ.get("PIP_INDEX_URL") or _ask(pip, environ) or PYPI
    return f"{chosen.rstrip('/')}/pip/" if chosen.startswith("http") else ""


def _ask(command: list[str], environ: Mapping[str, str]) -> str:
    try:
        answer = subprocess.run(
            command, env=dict(environ), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
