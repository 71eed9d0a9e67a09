"""The Dockerfile, as far as it can be tried without a container engine: the wheel it builds, from
nothing but the files it copies, and who runs in the image.
"""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.manifests.kubectl import ROOT

LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()


def instructions(name: str) -> list[list[str]]:
    """The words of each instruction of that name."""
    return [line.split()[1:] for line in LINES if line.split()[:1] == [name]]


def copied(context: Path) -> None:
    """What the COPY instructions take from the repository, laid out as in the image."""
    for *sources, target in instructions("COPY"):
        if sources[0].startswith("--from="):
            continue
        for source in sources:
            destination = context / target
            if (ROOT / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / source, destination, ignore=ignored)
            else:
                destination.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, destination)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built as the Dockerfile builds it."""
    context = tmp_path_factory.mktemp("context")
    dist = tmp_path_factory.mktemp("dist")
    copied(context)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", dist, "."],
        cwd=context,
        check=True,
    )
    (built,) = dist.iterdir()
    return zipfile.ZipFile(built)


def test_the_wheel_holds_every_module_and_the_crds(wheel: zipfile.ZipFile) -> None:
    """Nothing the Dockerfile forgot to copy, nothing the build leaves out."""
    names = set(wheel.namelist())
    modules = (ROOT / "operator").rglob("*.py")

    assert {str(module.relative_to(ROOT / "operator")) for module in modules} <= names
    assert {"capscan/crds/capabilityscans.yaml", "capscan/crds/capabilities.yaml"} <= names


def test_what_is_copied_reaches_the_builder() -> None:
    """.dockerignore lets nothing through but what it names."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [s for *sources, _ in instructions("COPY") for s in sources if sources[0][0] != "-"]

    assert "*" in ignore
    assert [s for s in sources if f"!{s.split('/')[0]}" not in ignore] == []


def test_the_wheel_brings_the_command_that_the_image_starts(wheel: zipfile.ZipFile) -> None:
    """ENTRYPOINT is a script of the package, and the manifests give it what CMD would."""
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    deployment = yaml.safe_load((ROOT / "manifests" / "deployment.yaml").read_text("utf-8"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    assert instructions("ENTRYPOINT") == [['["capscan"]']]
    assert "capscan = capscan.cli:main" in wheel.read(entry_points).decode()
    assert instructions("CMD") == [['["operator"]']]
    assert container["args"] == ["operator"]


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    """Kubernetes cannot tell whether a name is root, and refuses it."""
    ((user,),) = instructions("USER")

    assert all(part.isdigit() and int(part) > 0 for part in user.split(":"))


def test_every_package_in_the_image_is_pinned_by_hash() -> None:
    """But for capscan itself, which is built there and brings nothing with it."""
    installs = [
        command
        for words in instructions("RUN")
        for command in " ".join(words).split("&&")
        if "pip install" in command or "pip wheel" in command
    ]

    assert len(installs) == 4
    assert [i for i in installs if "--require-hashes" not in i and "--no-deps" not in i] == []


def test_the_image_has_the_version_of_the_project() -> None:
    """The tag in the manifests is that of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    deployment = (ROOT / "manifests" / "deployment.yaml").read_text("utf-8")

    assert f"image: ghcr.io/capscan/capscan:{project['version']}\n" in deployment
