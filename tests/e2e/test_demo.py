"""From a clean start, as a stranger: `capscan demo`, which uses kubectl alone, to its end.

One demo is kept running and used; the next one, in the same folder, clears it. Each runs once for
all tests that look at it, in the order of this file.
"""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from capscan.cli.program import program
from tests.e2e.demos import processes, read_until

DEMO_S = 110

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("programs"),
    pytest.mark.timeout(2 * DEMO_S + 60),
]

CAPSCAN = (sys.executable, "-m", "capscan")


def run(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CAPSCAN, *args],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=DEMO_S,
        check=False,
    )


@dataclass(frozen=True)
class Demo:
    """One demo that has come to its end."""

    folder: Path
    done: subprocess.CompletedProcess[str]

    @property
    def said(self) -> str:
        return self.done.stdout


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Return a demo that was told to stay."""
    folder = tmp_path_factory.mktemp("demo") / "a folder with spaces"
    try:
        yield Demo(folder, run("demo", "--dir", str(folder), KEEP="1"))
    finally:
        run("local", "down", "--dir", str(folder))


@pytest.fixture(scope="module")
def second(kept: Demo) -> Demo:
    """Return another demo in the folder of the one that was kept."""
    return Demo(kept.folder, run("demo", "--dir", str(kept.folder)))


def assert_all_is_shown(demo: Demo) -> None:
    """Check that all is shown, in plain text where there is no terminal."""
    assert demo.done.returncode == 0, demo.said + demo.done.stderr
    for line in (
        "/everything.yaml",
        "6 CRDs of cert-manager",
        "10 CRDs of prometheus-operator",
        "23 CRDs of external-secrets",
        "6 CRDs of external-snapshotter",
        "100 CRDs: 100 analysed.",
        "… and 88 more.",
        "certificates.cert-manager.io",
        "useCase: ",
        "100 from 18 API groups",
        "Take a volume snapshot",
    ):
        assert line in demo.said
    assert re.search(r"Completed +100/100 ", demo.said)
    assert "\x1b" not in demo.said + demo.done.stderr


def test_a_demo_shows_its_scan_to_the_end(kept: Demo) -> None:
    assert_all_is_shown(kept)


def test_a_kept_demo_can_be_used_as_its_environment_says(kept: Demo) -> None:
    env = run("local", "env", "--dir", str(kept.folder)).stdout
    found = subprocess.run(
        ["/bin/sh", "-c", f"{env}kubectl wait --for=condition=Complete capabilityscan/everything"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert "condition met" in found.stdout


def test_the_operator_of_a_kept_demo_is_stopped_and_started_by_the_lines_that_were_printed(
    kept: Demo,
) -> None:
    """The shell knows nothing but these lines."""
    *_, kill, again = re.findall(
        r"^   \$ (kill \d+|.* operator --kubeconfig [^>]+)$", kept.said, re.MULTILINE
    )
    subprocess.run(["/bin/sh", "-c", kill], check=True)
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {again}"], stderr=subprocess.PIPE, text=True
    ) as operator:
        try:
            assert operator.stderr
            assert any("watching" in line for line in operator.stderr)
        finally:
            operator.terminate()

    assert operator.returncode == 0


def test_the_next_demo_says_that_it_clears_the_one_that_was_kept(second: Demo) -> None:
    """It says so before it begins, and names what would spare the other one."""
    told = second.said.index(f"stopping what an earlier demo left running in {second.folder} (")

    assert told < second.said.index("1. A control plane")
    assert f"{program()} demo --dir FOLDER would spare it" in second.said


def test_the_next_demo_shows_its_scan_to_the_end(second: Demo) -> None:
    assert_all_is_shown(second)


def test_a_demo_that_is_not_kept_leaves_nothing_behind(second: Demo) -> None:
    assert not second.folder.exists()
    assert processes(second.folder) == []


@pytest.mark.parametrize(
    "stage", ["1. A control plane", "3. The CRDs", "--watch", "The end"], ids=str.split
)
def test_ctrl_c_at_any_stage_stops_everything(stage: str, tmp_path: Path) -> None:
    """The whole process group gets it from a terminal; it may come while all is being stopped."""
    folder = tmp_path / "interrupted"
    before = processes(folder)
    child, terminal = pty.fork()
    if child == 0:
        # Where the suite runs in the background, a shell has it ignore Ctrl-C, and so its children.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.execv(CAPSCAN[0], [*CAPSCAN, "demo", "--dir", str(folder)])

    said = read_until(terminal, stage)
    os.write(terminal, b"\x03")
    said += read_until(terminal, None)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0, said
    assert [str(path) for path in folder.rglob("*")] == []
    assert not folder.exists()
    assert processes(folder) == before == []
    if stage == "The end":
        for word in ("its status", "CRDs a minute", "what kubectl prints", "100/100"):
            assert word in said
