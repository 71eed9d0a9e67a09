"""Exec plugins for tests, as shell scripts, and the entry of a kubeconfig that names one."""

import json
from pathlib import Path
from typing import Any

API_VERSION = "client.authentication.k8s.io/v1"


def credential(api_version: str = API_VERSION, **status: Any) -> str:
    """What a plugin prints, with this status."""
    return json.dumps({"apiVersion": api_version, "kind": "ExecCredential", "status": status})


def plugin(path: Path, script: str) -> Path:
    """Write a plugin that runs this shell script."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def printing(path: Path, output: str) -> Path:
    """Write a plugin that prints this text."""
    return plugin(path, f"cat <<'END'\n{output}\nEND")


def entry(command: Path | str, **more: Any) -> dict[str, Any]:
    """The part of a kubeconfig that names the plugin."""
    return {
        "apiVersion": API_VERSION,
        "command": str(command),
        "interactiveMode": "Never",
        **more,
    }
