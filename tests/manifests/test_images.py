"""The Dockerfile is followed without a container engine.

Its RUN instructions are run for real and in order: a fresh virtual environment stands for the
Python of the base image, and folders of the test for the paths in the image. Nothing is compiled to
bytecode, which takes most of the time and shows nothing.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.manifests.asking import ROOT

LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
OWN = {"PIP_NO_COMPILE": "1", "PIP_PROGRESS_BAR": "off"}


def instructions(name: str) -> list[list[str]]:
    """Return the words of each instruction of that name."""
    return [line.split()[1:] for line in LINES if line.split()[:1] == [name]]


@dataclass
class Image:
    """The files of a stage: `python` holds those of the base image, `root` all others."""

    root: Path
    python: Path
    workdir: Path

    def at(self, path: str) -> Path:
        """Return where a path of the image lies on this machine."""
        return self.root / path.lstrip("/") if path.startswith("/") else self.workdir / path

    def copy(self, sources: list[str], target: str) -> None:
        """Do what COPY does with sources in the repository."""
        for source in sources:
            destination = self.at(target)
            if (ROOT / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / source, destination, ignore=ignored)
            else:
                destination.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, destination)

    def run(self, command: str, environment: dict[str, str]) -> None:
        """Do what RUN does: the image's paths are mapped, its Python comes first, ENV is set."""
        command = re.sub(r"(?<= )(?=/)", str(self.root), command)
        path = os.pathsep.join([str(self.python / "bin"), *os.defpath.split(os.pathsep)])
        kept = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_", "HTTP"))}
        subprocess.run(
            ["/bin/sh", "-ec", command],
            cwd=self.workdir,
            env=kept | environment | OWN | {"PATH": path, "HOME": str(self.root)},
            check=True,
        )


def base(folder: Path) -> Path:
    """Make what stands for the Python of the base image: one with pip and nothing else."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder


def link(source: str, target: str) -> None:
    """Copy a file by a hard link, which takes no time; a symbolic link stays one."""
    os.link(source, target, follow_symlinks=False)


def build(folder: Path) -> list[Image]:
    """Build every stage as the Dockerfile says."""
    stages: list[Image] = []
    environment: dict[str, str] = {}
    for line in LINES:
        name, _, rest = line.partition(" ")
        match name:
            case "FROM":
                own = folder / str(len(stages))
                (own / "root").mkdir(parents=True)
                stages.append(Image(own / "root", base(own / "python"), own / "root"))
                environment = {}
            case "WORKDIR":
                stages[-1].workdir = stages[-1].at(rest)
                stages[-1].workdir.mkdir(parents=True)
            case "ENV":
                environment |= dict(word.split("=", 1) for word in rest.split())
            case "COPY" if rest.startswith("--from=build "):
                _, source, target = rest.split()
                shutil.copytree(
                    stages[0].at(source), stages[-1].at(target), symlinks=True, copy_function=link
                )
            case "COPY":
                *sources, target = rest.split()
                stages[-1].copy(sources, target)
            case "RUN":
                stages[-1].run(rest, environment)
            case "ARG" | "USER" | "ENTRYPOINT" | "CMD" | "#" | "":
                pass
            case _:
                assert line.startswith("#"), f"this test cannot follow: {line}"
    return stages


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    """Both stages, built once for the tests of this file: about half a minute."""
    return build(tmp_path_factory.mktemp("image"))


def listed(python: Path, packages: Path) -> set[str]:
    """Return what is installed in a virtual environment, which has no pip of its own."""
    ran = subprocess.run(
        [python, "-m", "pip", "--python", packages, "list", "--format=freeze"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ran.stdout.lower().replace("_", "-").split())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_image_holds_what_is_pinned_and_nothing_to_build_with(stages: list[Image]) -> None:
    """Neither the operator's environment nor the Python of the last stage has pip."""
    first, last = stages
    pinned = {
        line.split()[0]
        for line in (ROOT / "requirements" / "runtime.txt").read_text("utf-8").splitlines()
        if "==" in line
    }

    found = listed(first.python / "bin" / "python", last.at("/opt/capscan"))

    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert f"capscan=={version}" in found
    assert found - {f"capscan=={version}"} <= pinned
    assert (last.python / "bin" / "python").exists()
    assert list(last.python.glob("lib/*/site-packages/pip")) == []
    assert list(last.at("/opt/capscan").glob("bin/pip*")) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_of_the_image_runs(stages: list[Image]) -> None:
    """It runs in the folder where it was built, since a script names its Python by path."""
    command = stages[0].at("/opt/capscan") / "bin" / "capscan"

    ran = subprocess.run(
        [command, "operator", "--help"], capture_output=True, text=True, check=True, env={}
    )

    assert "--config" in ran.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_image_holds_every_module_and_the_crds(stages: list[Image]) -> None:
    """The Dockerfile copies all of them, and the build leaves none out."""
    (packages,) = stages[-1].at("/opt/capscan").glob("lib/*/site-packages")
    names = {str(file.relative_to(packages)) for file in (packages / "capscan").rglob("*")}
    modules = (ROOT / "operator").rglob("*.py")

    assert {str(module.relative_to(ROOT / "operator")) for module in modules} <= names
    assert {"capscan/crds/capabilityscans.yaml", "capscan/crds/capabilities.yaml"} <= names


def test_hadolint_finds_nothing() -> None:
    """hadolint, the linter of Dockerfiles, applies its own rules."""
    linter = Path(sys.executable).with_name("hadolint")

    ran = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (ran.stdout, ran.returncode) == ("", 0)


def test_what_is_copied_reaches_the_builder() -> None:
    """.dockerignore lets nothing through but what it names."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [s for *sources, _ in instructions("COPY") for s in sources if sources[0][0] != "-"]

    assert "*" in ignore
    assert [s for s in sources if f"!{s.split('/')[0]}" not in ignore] == []


def test_the_image_starts_the_operator() -> None:
    """ENTRYPOINT is a script of the package, and the manifests give it what CMD would, and more."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    deployment = yaml.safe_load((ROOT / "manifests" / "deployment.yaml").read_text("utf-8"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    assert instructions("ENTRYPOINT") == [['["capscan"]']]
    assert project["scripts"]["capscan"] == "capscan.cli:main"
    assert instructions("CMD") == [['["operator"]']]
    assert container["args"][0] == "operator"


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    """Kubernetes cannot tell whether a name is root, and refuses it."""
    ((user,),) = instructions("USER")

    assert all(part.isdigit() and int(part) > 0 for part in user.split(":"))


def test_every_package_in_the_image_is_pinned_by_hash() -> None:
    """capscan itself is built there, and brings no other package with it."""
    installs = [
        command.split()
        for words in instructions("RUN")
        for command in " ".join(words).split("&&")
        if {"install", "wheel"} & set(command.split()) and "uninstall" not in command
    ]

    assert len(installs) == 4
    assert [i for i in installs if "--require-hashes" not in i and "--no-deps" not in i] == []


def test_the_image_has_the_version_of_the_project() -> None:
    """The manifests name the tag of pyproject.toml's version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    deployment = (ROOT / "manifests" / "deployment.yaml").read_text("utf-8")

    assert f"image: capscan.invalid/capscan:{project['version']}\n" in deployment


def test_no_file_names_an_image_that_a_stranger_could_publish() -> None:
    """The end .invalid belongs to nobody: RFC 2606."""
    for path in ("Dockerfile", "kind-config.yaml", "docs/install.md", "manifests/deployment.yaml"):
        text = (ROOT / path).read_text("utf-8")
        named = re.findall(r"[\w.-]+/(?:capscan/)?capscan:[0-9.]+[0-9]", text)
        assert {name.partition("/")[0] for name in named} <= {
            "capscan.invalid",
            "registry.example.com",
        }


def test_the_base_image_is_pinned_by_digest() -> None:
    """All stages begin with the same one, which a build may replace."""
    ((base,),) = instructions("ARG")

    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.11-slim@sha256:[0-9a-f]{64}", base)
    assert {words[0] for words in instructions("FROM")} == {"${PYTHON_IMAGE}"}
