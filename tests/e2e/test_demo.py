"""From a clean start, as a stranger: `capscan demo`, which uses kubectl alone, to its end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.usefixtures("programs")
def test_the_demo_runs_a_scan_to_its_end_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "a folder with spaces"

    done = run("demo", "--dir", str(folder))

    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "/everything.yaml",
        "6 CRDs of cert-manager",
        "10 CRDs of prometheus-operator",
        "23 CRDs of external-secrets",
        "39 CRDs: 39 analysed.",
        "certificates.cert-manager.io",
        "useCase: ",
    ):
        assert line in done.stdout
    assert "Completed     39/39" in done.stdout
    assert not folder.exists()


@pytest.mark.usefixtures("programs")
def test_a_kept_demo_can_be_used_and_the_next_one_clears_it(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    first = run("demo", "--dir", str(folder), KEEP="1")
    assert first.returncode == 0, first.stdout + first.stderr
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
    assert "stopping what an earlier demo left running" in second.stdout
    assert not folder.exists()


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("stage", ["capscan operator 2>", "7. The end"])
def test_ctrl_c_stops_everything(stage: str, tmp_path: Path) -> None:
    folder = tmp_path / "interrupted"
    with subprocess.Popen(
        [*CAPSCAN, "demo", "--dir", str(folder)],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        assert any(stage in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    assert process.returncode != 0
    assert not folder.exists()
