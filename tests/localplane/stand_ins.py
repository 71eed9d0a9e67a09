"""Shell scripts that stand in for the programs of a control plane: they tell the right versions."""

from pathlib import Path

from capscan.localplane.programs import API_SERVER, ETCD, KUBECTL
from tests.localplane.conftest import Script

RIGHT = {
    ETCD: "echo 'etcd Version: 3.6.8'; echo 'Git SHA: 1.2.3'",
    API_SERVER: "echo Kubernetes v1.36.0",
    KUBECTL: '[ "$*" = "version --client" ] && echo Client Version: v1.36.9',
}


def folder_of(path: Path, script: Script, **versions: str) -> Path:
    """Make a folder with the three programs in the right version, but for those named here."""
    for name, body in (RIGHT | versions).items():
        script(path / name, body)
    return path
