"""From a clean start, as a stranger: `capscan demo`, which uses kubectl alone, to its end."""

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from capscan.cli.program import program

pytestmark = pytest.mark.slow

CAPSCAN = (sys.executable, "-m", "capscan")
DEMO_S = 110


def run(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CAPSCAN, *args],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=DEMO_S,
        check=False,
    )


@pytest.mark.timeout(2 * DEMO_S + 60)
@pytest.mark.usefixtures("programs")
def test_a_kept_demo_can_be_used_and_the_next_one_clears_it_and_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    """Both run their scan to its end."""
    folder = tmp_path / "a folder with spaces"
    first = run("demo", "--dir", str(folder), KEEP="1")
    assert first.returncode == 0, first.stdout + first.stderr
    assert_all_is_shown(first)
    assert_a_stopped_operator_starts_again_as_told(first.stdout)
    env = run("local", "env", "--dir", str(folder)).stdout
    found = subprocess.run(
        ["/bin/sh", "-c", f"{env}kubectl wait --for=condition=Complete capabilityscan/everything"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "condition met" in found.stdout

    second = run("demo", "--dir", str(folder))

    assert second.returncode == 0, second.stdout + second.stderr
    told = second.stdout.index(f"stopping what an earlier demo left running in {folder} (")
    assert told < second.stdout.index("1. A control plane")
    assert f"{program()} demo --dir FOLDER would spare it" in second.stdout
    assert_all_is_shown(second)
    assert not folder.exists()
    assert processes(folder) == []


def assert_a_stopped_operator_starts_again_as_told(said: str) -> None:
    """By the lines that were printed, in a shell that knows nothing else."""
    *_, kill, again = re.findall(
        r"^   \$ (kill \d+|.* operator --kubeconfig [^>]+)$", said, re.MULTILINE
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


def assert_all_is_shown(done: subprocess.CompletedProcess[str]) -> None:
    """In plain text, where there is no terminal."""
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
        assert line in done.stdout
    assert re.search(r"Completed +100/100 ", done.stdout)
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    "stage", ["1. A control plane", "3. The CRDs", "--watch", "The end"], ids=str.split
)
def test_ctrl_c_at_any_stage_stops_everything(stage: str, tmp_path: Path) -> None:
    """On a terminal, where the whole process group gets it; also while all is being stopped."""
    folder = tmp_path / "interrupted"
    before = processes(folder)
    child, terminal = pty.fork()
    if child == 0:
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


def read_until(terminal: int, text: str | None) -> str:
    """What comes up to that text, or all of it."""
    said = ""
    with suppress(OSError):  # how Linux says that the other side is closed
        while text is None or text not in said:
            if not (read := os.read(terminal, 65536)):
                break
            said += read.decode(errors="replace")
    assert text is None or text in said, said
    return said


def processes(folder: Path) -> list[str]:
    """Those that have the folder in their command."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True
    )
    return [line for line in listing.stdout.splitlines() if str(folder) in line]
