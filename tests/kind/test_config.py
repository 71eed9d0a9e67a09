"""kind's own loader, built from `main.go`, reads and validates kind-config.yaml."""

import io
import subprocess
from pathlib import Path

import pytest

from capscan.localplane.console import Console
from capscan.localplane.golang import find_go, go_environment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the loader in seconds; kind comes from the Go module proxy, pinned by go.sum.

    Go would ask git for the version, which refuses where somebody else owns the clone.
    """
    program = tmp_path_factory.mktemp("kind") / "loader"
    subprocess.run(
        [
            find_go(Console(io.StringIO())),
            "build",
            "-trimpath",
            "-buildvcs=false",
            "-o",
            program,
            ".",
        ],
        cwd=Path(__file__).parent,
        env=go_environment(),
        check=True,
    )
    return program


def read(loader: Path, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([loader, file], capture_output=True, text=True, check=False)


def test_kind_takes_the_configuration(loader: Path) -> None:
    """It makes one control plane, on the node image that this release of kind comes with."""
    done = read(loader, ROOT / "kind-config.yaml")

    assert done.stderr == ""
    assert done.stdout.startswith("1 node(s), kindest/node:v1.")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("role:", "rolle:", "field rolle not found"),
        ("control-plane", "worker", "must have at least one control-plane node"),
        ("v1alpha4", "v1alpha9", "unknown apiVersion"),
    ],
)
def test_kind_refuses_what_is_wrong(
    loader: Path, tmp_path: Path, old: str, new: str, says: str
) -> None:
    """The loader does look at the file."""
    file = tmp_path / "kind-config.yaml"
    text = (ROOT / "kind-config.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace(old, new), encoding="utf-8")

    done = read(loader, file)

    assert done.returncode == 1
    assert says in done.stderr
