"""`make demo-gate`, shortened: the gate against limits it is not told, and an outage."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_demo import processes, read_until

ROOT = Path(__file__).parents[2]
SHORT = (sys.executable, "-m", "demos.gate", "--crds", "90", "--outage", "3")
SHOWING_S = 100


@pytest.mark.usefixtures("programs")
def test_the_gate_is_shown_to_ride_out_an_outage_and_nothing_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "a folder with spaces"

    done = subprocess.run(
        [*SHORT, "--dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=SHOWING_S, check=False,
    )  # fmt: skip

    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    assert re.search(r"everything +Completed +90/90 +0 ", said)
    assert re.search(r"fake +False .* Open ", said)
    assert "Waiting for fake" in said
    for row in ("lost             0\n", "answered twice   0\n", "the circuit was open\n"):
        assert row in said
    assert re.search(r"in the outage +[1-9]\d* wasted", said)
    assert "\x1b" not in said + done.stderr
    assert processes(folder) == []
    assert not folder.exists()


@pytest.mark.usefixtures("programs")
def test_ctrl_c_stops_the_model_server_too(tmp_path: Path) -> None:
    """On a terminal, in the middle of the scan."""
    folder = tmp_path / "interrupted"
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(SHORT[0], [*SHORT, "--dir", str(folder)])

    said = read_until(terminal, "the scan ─")
    os.write(terminal, b"\x03")
    said += read_until(terminal, None)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0, said
    assert processes(folder) == []
    assert not folder.exists()
